"""The one family of errors that crosses the bus, HTTP and MQTT.

Only the integer ``statusCode`` and the ``reasonPhrase`` travel (protocol/bus.md); everything
else about a failure stays in the log of the process that met it::

    GroveError
    |-- BadRequestError 400            |-- UnprocessableError 422
    |-- UnauthorizedError 401          |-- TooManyRequestsError 429 *
    |-- ForbiddenError 403             |-- InternalError 500 *
    |-- NotFoundError 404              |-- UnavailableError 503 *
    |-- ConflictError 409 *            `-- DeadlineError 504 *
    |-- PreconditionFailedError 412
    |-- PayloadTooLargeError 413
    |-- UnsupportedMediaTypeError 415      * retried: the same request may succeed later, so a
                                             QoS 1 PUBLISH that met it is never acknowledged
"""

from typing import ClassVar


class StartRefusedError(Exception):
    """What a process was given cannot work, and a person has to change it; one line says what.

    Not an outcome of a request: it stops the start (exit code 2) and never crosses the bus.
    """


class GroveError(Exception):
    """An outcome that is not success.

    Attributes:
        status_code: HTTP status of the outcome.
        retried: Whether the same request may succeed later without being changed.
        reason_phrase: One sentence for the caller; never holds a secret or a traceback.
    """

    status_code: ClassVar[int] = 500
    retried: ClassVar[bool] = True
    default_phrase: ClassVar[str] = "Internal Server Error"

    def __init__(self, reason_phrase: str | None = None) -> None:
        """Use ``reason_phrase``, or the standard phrase of the status code."""
        self.reason_phrase = reason_phrase or self.default_phrase
        super().__init__(self.reason_phrase)


class BadRequestError(GroveError):
    """The request is malformed; sending it again as it is cannot help."""

    status_code = 400
    retried = False
    default_phrase = "Bad Request"


class UnauthorizedError(GroveError):
    """No such token, key or secret."""

    status_code = 401
    retried = False
    default_phrase = "Unauthorized"


class ForbiddenError(GroveError):
    """Known, but not allowed: suspended, revoked, not writable, outside the key's scope."""

    status_code = 403
    retried = False
    default_phrase = "Forbidden"


class NotFoundError(GroveError):
    """What the request names does not exist."""

    status_code = 404
    retried = False
    default_phrase = "Not Found"


class ConflictError(GroveError):
    """The state of the resource forbids it now, or concurrent updates could not be reconciled."""

    status_code = 409
    retried = True
    default_phrase = "Conflict"


class PreconditionFailedError(GroveError):
    """An If-Match condition did not hold (RFC 9110 section 13.1.1)."""

    status_code = 412
    retried = False
    default_phrase = "Precondition Failed"


class PayloadTooLargeError(GroveError):
    """A payload above a limit; the phrase names the limit in bytes."""

    status_code = 413
    retried = False
    default_phrase = "Content Too Large"


class UnsupportedMediaTypeError(GroveError):
    """A Content-Type this resource does not take."""

    status_code = 415
    retried = False
    default_phrase = "Unsupported Media Type"


class UnprocessableError(GroveError):
    """Well formed, but it cannot be carried out (a JSON Patch operation that does not apply)."""

    status_code = 422
    retried = False
    default_phrase = "Unprocessable Content"


class TooManyRequestsError(GroveError):
    """Over a rate limit.

    Attributes:
        retry_after_s: When it may be tried again; does not cross the bus.
    """

    status_code = 429
    retried = True
    default_phrase = "Too Many Requests"

    def __init__(self, reason_phrase: str | None = None, *, retry_after_s: int = 1) -> None:
        """Add when to come back, in seconds, to what every error has."""
        super().__init__(reason_phrase)
        self.retry_after_s = retry_after_s


class InternalError(GroveError):
    """Our fault; the details are in the log only."""

    status_code = 500
    retried = True
    default_phrase = "Internal Server Error"


class UnavailableError(GroveError):
    """The owner, the stream or the store cannot be reached now; nothing was acknowledged."""

    status_code = 503
    retried = True
    default_phrase = "Service Unavailable"


class DeadlineError(GroveError):
    """No answer in time; whether the request took effect is unknown."""

    status_code = 504
    retried = True
    default_phrase = "Gateway Timeout"


_BY_STATUS: dict[int, type[GroveError]] = {
    kind.status_code: kind
    for kind in (
        BadRequestError,
        UnauthorizedError,
        ForbiddenError,
        NotFoundError,
        ConflictError,
        PreconditionFailedError,
        PayloadTooLargeError,
        UnsupportedMediaTypeError,
        UnprocessableError,
        TooManyRequestsError,
        InternalError,
        UnavailableError,
        DeadlineError,
    )
}

STATUS_CODES: frozenset[int] = frozenset({200, 201, 204, 304, *_BY_STATUS})
"""Every ``statusCode`` that may cross the bus."""


def error_for(status_code: int, reason_phrase: str | None = None) -> GroveError:
    """Give the error of a status code received from the bus; an unlisted code is a 500."""
    return _BY_STATUS.get(status_code, InternalError)(reason_phrase)
