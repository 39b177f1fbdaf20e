"""Turn what the driver raises into the errors that services speak.

==========================  =====================================================================
Unavailable (503)           no connection, no primary, no answer in time, not confirmed by a
                            majority: the write *may* have happened, and asking again may help
:class:`DuplicateError`     a unique index holds that value already
PayloadTooLarge (413)       the document exceeds the 16 MiB of MongoDB
Internal (500)              anything else; logged here, because the driver's text holds document
                            values and must not travel further
==========================  =====================================================================
"""

import asyncio
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final

import structlog
from bson.errors import BSONError
from prometheus_client import Histogram
from pymongo import errors as driver

from libs.contracts.errors import (
    ConflictError,
    GroveError,
    InternalError,
    PayloadTooLargeError,
    UnavailableError,
)

# Shutting down, stepping down, unreachable peers, lock and write conflicts: all pass by themselves.
_PASSING_CODES: Final = frozenset(
    {6, 7, 24, 50, 64, 89, 91, 100, 112, 133, 189, 262, 9001, 10107, 11600, 11602, 13388, 13435, 13436}
)
_TOO_LARGE_CODE: Final = 10334
_DUPLICATE_CODE: Final = 11000
_UNREACHABLE = (driver.ConnectionFailure, OSError)
_TOO_LARGE = "the document is too large to be stored"

_SECONDS = Histogram(
    "grove_store_operation_seconds",
    "Operations on MongoDB as their callers saw them, retries of the driver included.",
    ["outcome"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)

_log = structlog.get_logger()


class DuplicateError(ConflictError):
    """A unique index refused the write.

    Attributes:
        key_pattern: Names of the fields of that index, in its order; ("_id",) for the primary key.
    """

    def __init__(self, key_pattern: tuple[str, ...]) -> None:
        super().__init__("already exists")
        self.key_pattern = key_pattern


class store_errors:  # noqa: N801 - used as a function, `with store_errors():`; a class costs half of a generator
    """Run driver calls so that only GroveErrors leave the block, and measure how long they took.

    A cancellation leaves it too: PyMongo 4.20 lost every fifth one that met a call under way (the call
    returned as if nothing had been asked), and a task that should have ended went on for ever.

    Raises:
        asyncio.CancelledError: The task was cancelled meanwhile; whether the write happened is unknown.
        UnavailableError: The store cannot be reached or did not answer in time; outcome unknown.
        DuplicateError: A unique index refused the write.
        PayloadTooLargeError: The document is too large for the store.
        InternalError: The store refused the operation itself: a mistake of ours.
    """

    __slots__ = ("_began", "_cancellations")

    def __enter__(self) -> None:
        """Start the clock."""
        self._cancellations = _cancellations()
        self._began = time.perf_counter()

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """Translate the error, if it is one of the driver's."""
        if _cancellations() > self._cancellations and not isinstance(error, asyncio.CancelledError):
            _SECONDS.labels("cancelled").observe(time.perf_counter() - self._began)
            raise asyncio.CancelledError from error
        failure = translate(error) if isinstance(error, Exception) else None
        _SECONDS.labels(_outcome(error, failure)).observe(time.perf_counter() - self._began)
        if failure is not None:
            raise failure from error


def _cancellations() -> int:
    """Count how often this task was asked to end; one that cleans up after that may still use the store."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def translate(error: Exception) -> GroveError | None:
    """Find the error that services speak for one of the driver; None for anything else."""
    if isinstance(error, driver.BulkWriteError):
        return _translate_bulk(error)
    if isinstance(error, driver.OperationFailure):
        return _translate_code(error)
    if isinstance(error, driver.DocumentTooLarge):
        return PayloadTooLargeError(_TOO_LARGE)
    if isinstance(error, _UNREACHABLE) or (isinstance(error, driver.PyMongoError) and error.timeout):
        return UnavailableError("the store cannot be reached")
    # BSON says OverflowError itself for an integer beyond 64 bits.
    if isinstance(error, driver.PyMongoError | BSONError | OverflowError):
        return _internal(error, code=None)
    return None


def _translate_code(error: driver.OperationFailure) -> GroveError:
    if error.code == _DUPLICATE_CODE:
        return _duplicate(error.details)
    if error.code == _TOO_LARGE_CODE:
        return PayloadTooLargeError(_TOO_LARGE)
    passes = isinstance(error, driver.WriteConcernError | driver.ExecutionTimeout) or error.timeout
    if passes or error.code in _PASSING_CODES or error.has_error_label("RetryableWriteError"):
        return UnavailableError("the store cannot answer now")
    return _internal(error, code=error.code)


def _translate_bulk(error: driver.BulkWriteError) -> GroveError:
    """Success is never assumed here: whoever may ignore duplicates looks at the error before we do."""
    details = error.details or {}
    write_errors = details.get("writeErrors") or []
    codes = {each.get("code") for each in write_errors}
    if details.get("writeConcernErrors") or codes & _PASSING_CODES:
        return UnavailableError("the store cannot answer now")
    if codes == {_DUPLICATE_CODE}:
        return _duplicate(write_errors[0])
    return _internal(error, code=next(iter(codes - {_DUPLICATE_CODE}), None))


def _duplicate(details: Mapping[str, Any] | None) -> DuplicateError:
    return DuplicateError(tuple((details or {}).get("keyPattern") or ()))


def _internal(error: Exception, *, code: int | None) -> InternalError:
    _log.error("store.refused", error=type(error).__name__, code=code)
    return InternalError()


def _outcome(error: BaseException | None, failure: GroveError | None) -> str:
    if failure is not None:
        return type(failure).__name__.removesuffix("Error").lower()
    # What the caller raised inside the block says nothing about the store; a cancellation does.
    return "ok" if error is None or isinstance(error, Exception) else "cancelled"
