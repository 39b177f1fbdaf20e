"""KP1 paths: the topic of an MQTT PUBLISH or the path of an HTTP POST, taken apart.

``kp1/<appVersion>/<extension>/<token>/<resource...>[/<requestId>]`` is parsed **by position**
(protocol/kp1.md): four fixed levels first, only then may a trailing all-digit level be the
request id. So a numeric token or extension is never mistaken for one.
"""

from collections.abc import Sequence

from msgspec import Struct

from libs.contracts.errors import BadRequestError
from libs.contracts.ids import MAX_NAME_LENGTH

PREFIX = "kp1"
DCX = "dcx"
"""The extension that telemetry is for."""
MAX_REQUEST_ID = 2_147_483_647
"""Request ids are int32 in the Kaa RFCs."""
MAX_PAYLOAD_BYTES = 256 * 1024
"""Largest payload of a request; above it is a 413."""
EXTENSIONS: frozenset[str] = frozenset({"epmx", DCX, "cex", "cmx", "tsx"})
"""Extensions that exist; an application version may narrow the list."""

_FIXED_LEVELS = 4
_MAX_LEVELS = 32
_ANSWER_LEVELS = frozenset({"status", "error"})


class Kp1Path(Struct, frozen=True):
    """A request path, taken apart.

    Attributes:
        app_version: Full name of the application version.
        extension: Extension instance name.
        token: Endpoint token. A secret: never logged.
        resource: What is asked of the extension, with a leading slash and without the request
            id (``/update/keys``); empty when the path ends after the token.
        request_id: 0 to 2147483647, or None when the path has none.
    """

    app_version: str
    extension: str
    token: str
    resource: str
    request_id: int | None

    def __repr__(self) -> str:
        """Show everything but the token."""
        return f"Kp1Path({self.app_version}/{self.extension}/***{self.resource}, {self.request_id})"


def parse_topic(topic: str) -> Kp1Path:
    """Take an MQTT topic apart.

    Raises:
        BadRequestError: It is not a KP1 request path; the phrase says which level is wrong.
    """
    return parse_levels(topic.split("/"))


def parse_levels(levels: Sequence[str]) -> Kp1Path:
    """Take a path apart whose levels are already split (HTTP: and percent-decoded).

    Raises:
        BadRequestError: As :func:`parse_topic`.
    """
    _check_levels(levels)
    resource = levels[_FIXED_LEVELS:]
    if resource and resource[-1] in _ANSWER_LEVELS:
        message = f"a path ending in {resource[-1]!r} is an answer, not a request"
        raise BadRequestError(message)
    request_id = None
    if resource and resource[-1].isascii() and resource[-1].isdigit():
        request_id = _request_id(resource[-1])
        resource = resource[:-1]
    return Kp1Path(
        app_version=levels[1],
        extension=levels[2],
        token=levels[3],
        resource="".join(f"/{level}" for level in resource),
        request_id=request_id,
    )


def _check_levels(levels: Sequence[str]) -> None:
    if levels[0] != PREFIX:
        message = f"level 1 must be {PREFIX!r}"
        raise BadRequestError(message)
    if len(levels) < _FIXED_LEVELS:
        message = "path must be kp1/<appVersion>/<extension>/<token>/<resource>"
        raise BadRequestError(message)
    if len(levels) > _MAX_LEVELS:
        message = f"path has more than {_MAX_LEVELS} levels"
        raise BadRequestError(message)
    for position, level in enumerate(levels, start=1):
        fault = _level_fault(level)
        if fault:
            message = f"level {position} {fault}"
            raise BadRequestError(message)


def _level_fault(level: str) -> str | None:
    if not level:
        return "is empty"
    if len(level) > MAX_NAME_LENGTH:
        return f"is longer than {MAX_NAME_LENGTH} characters"
    if "/" in level or not level.isprintable():
        return "holds a slash or an unprintable character"
    return None


def _request_id(level: str) -> int:
    # Length first: int() of a 256-digit level is wasted work.
    if len(level.lstrip("0")) > len(str(MAX_REQUEST_ID)) or int(level) > MAX_REQUEST_ID:
        message = f"request id is above {MAX_REQUEST_ID}"
        raise BadRequestError(message)
    return int(level)
