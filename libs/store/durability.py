"""Whether the store keeps what it acknowledges: asked once, before anything is stored.

A real write with our write concern is the test that covers most (no journal, no replica set where
the driver retries writes, no permission); the storage engine must also be one that has a disk.
What no client can see is whether an fsync reaches that disk: for the embedded store the runner
answers for it with ``--sync-on-commit``.

The embedded store forgets across a crash which writes it has carried out (in 25 kills under load: 8
increments counted twice, 5 inserts and 3 compare-and-sets of ours that met themselves), so there
the driver must not retry writes; a write cut off is then UnavailableError, outcome unknown.
"""

from collections.abc import Mapping
from typing import Any, Final

import structlog
from pymongo import errors
from pymongo.asynchronous.database import AsyncDatabase

from libs.store.refusals import StoreRefusedError, VolatileStoreError

_PROBE: Final = "grove_probe"
_EMBEDDED: Final = "secantus"
# "Bad value" is what a server says to j: true when it has no journal.
_NO_JOURNAL_CODE: Final = 2
_NOT_AUTHORIZED_CODE: Final = 13

_log = structlog.get_logger()


async def check_durable(database: AsyncDatabase[dict[str, Any]], *, allow_volatile: bool) -> None:
    """Return when the database keeps what it acknowledges.

    Args:
        database: With the write concern that its collections will have.
        allow_volatile: Only log, as an error, what would stop a start.

    Raises:
        VolatileStoreError: It does not.
        StoreRefusedError: It would carry out retried writes twice.
        pymongo.errors.PyMongoError: It cannot be asked now, or refuses us altogether.
    """
    status = await _server_status(database)
    if _EMBEDDED in status and database.client.options.retry_writes:
        raise StoreRefusedError(
            "SecantusDB carries out a write again when the driver retries it after a crash: "
            "its URL needs retryWrites=false"
        )
    reason = await _why_volatile(database, status)
    if reason is None:
        return
    if not allow_volatile:
        raise VolatileStoreError(f"{reason}; GROVE_ALLOW_VOLATILE_STORE=true starts nevertheless")
    _log.error("store.volatile", database=database.name, reason=reason)


async def is_embedded(database: AsyncDatabase[dict[str, Any]]) -> bool:
    """Tell whether the server is the embedded store.

    Raises:
        pymongo.errors.PyMongoError: It cannot be asked now.
    """
    return _EMBEDDED in await _server_status(database)


async def _why_volatile(database: AsyncDatabase[dict[str, Any]], status: Mapping[str, Any]) -> str | None:
    if not status.get("storageEngine", {}).get("persistent", True):
        return "the store keeps its data in memory only"
    try:
        await database[_PROBE].replace_one({"_id": "durable"}, {"_id": "durable"}, upsert=True)
    except errors.OperationFailure as error:
        if error.code != _NO_JOURNAL_CODE:
            raise
        return "the store does not acknowledge journalled writes"
    return None


async def _server_status(database: AsyncDatabase[dict[str, Any]]) -> dict[str, Any]:
    try:
        return await database.client.admin.command("serverStatus")
    except errors.OperationFailure as error:
        if error.code != _NOT_AUTHORIZED_CODE:
            raise
        return {}  # a user that may only read and write; the probe write still has its say
