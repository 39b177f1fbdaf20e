"""The MongoDB client of a process: how it is opened, awaited, checked and closed.

Write concern is majority and journal, in code, whatever the URL says. Every operation, with the
driver's own retries, ends within 4 s: below the 5 s of a bus request, so that a caller hears "try
again" (503) instead of silence. Measured against the embedded store: a kill and a restart are
healed by the driver (its monitor sees the closed connection at once and empties the pool); a frozen
store costs each operation those 4 s and is used again as soon as it answers.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC
from typing import Any, Final, Self

import structlog
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient, WriteConcern, errors
from pymongo.asynchronous.collection import AsyncCollection

from libs.contracts.errors import UnavailableError
from libs.store.durability import check_durable, is_embedded
from libs.store.failures import store_errors, translate
from libs.store.indexes import Index, ensure_indexes
from libs.store.refusals import StoreRefusedError
from libs.store.waiting import correct_waiting

Document = dict[str, Any]

OPERATION_S: Final = 4.0
MAX_CONNECTIONS: Final = 32
_LOG_EVERY_S: Final = 4.0
_RETRY_S: Final = 0.2
_FAREWELL_S: Final = 1.0
_WRITE_CONCERN: Final = WriteConcern("majority", j=True)
_CODEC_OPTIONS: Final = CodecOptions[Document](
    tz_aware=True, tzinfo=UTC, uuid_representation=UuidRepresentation.STANDARD
)

_log = structlog.get_logger()


class Store:
    """One database, and the connections of this process to it.

    Made by :meth:`open`; then, when a service is built: :meth:`wait_until_available`, :meth:`ensure`
    for each collection, :meth:`ping` for its health, :meth:`close` when it stops.
    """

    def __init__(self, client: AsyncMongoClient[Document], *, database: str, allow_volatile: bool) -> None:
        self._client = client
        self._database = client.get_database(
            database, codec_options=_CODEC_OPTIONS, write_concern=_WRITE_CONCERN
        )
        self._allow_volatile = allow_volatile

    @classmethod
    def open(cls, url: str, *, database: str, app_name: str, allow_volatile: bool = False) -> Self:
        """Prepare the client; it connects in the background and this does not wait for it.

        Args:
            url: May hold credentials; they appear in no error of ours.
            database: Named as the service, with underscores.
            app_name: Shown in the server's own logs and statistics.
            allow_volatile: Work with a store that loses acknowledged writes, saying so loudly.

        Raises:
            StoreRefusedError: The URL cannot be understood.
        """
        correct_waiting()
        try:
            client = AsyncMongoClient[Document](
                url,
                appname=app_name,
                timeoutMS=int(OPERATION_S * 1000),
                maxPoolSize=MAX_CONNECTIONS,
                maxConnecting=8,
                connectTimeoutMS=5000,
            )
        except (errors.InvalidURI, errors.ConfigurationError, ValueError) as error:
            # The driver's text may quote the URL.
            raise StoreRefusedError(f"the URL of the store is not usable ({type(error).__name__})") from None
        return cls(client, database=database, allow_volatile=allow_volatile)

    def collection(self, name: str) -> AsyncCollection[Document]:
        """Give a collection whose writes are acknowledged by a majority, journalled."""
        return self._database[name]

    async def wait_until_available(self) -> None:
        """Return when the store answers and keeps what it acknowledges, however long that takes.

        A service may start before its store; it says every few seconds that it waits.

        Raises:
            VolatileStoreError: It does not keep what it acknowledges, and that was not allowed.
            StoreRefusedError: It answers, but will not work for us (credentials, kind of server).
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        log_at = began
        while not await self._is_usable():
            if loop.time() >= log_at:
                _log.warning(
                    "store.waiting", database=self._database.name, waited_s=round(loop.time() - began, 1)
                )
                log_at = loop.time() + _LOG_EVERY_S
            await asyncio.sleep(_RETRY_S)
        _log.info("store.available", database=self._database.name, waited_s=round(loop.time() - began, 1))

    async def ensure(self, collection: AsyncCollection[Document], indexes: Sequence[Index]) -> None:
        """Create the indexes that do not exist yet.

        Raises:
            IndexConflictError: What is there contradicts one of them.
            UnavailableError: The store cannot be reached.
        """
        await ensure_indexes(collection, indexes)

    async def ping(self) -> None:
        """Ask the server for an answer.

        Raises:
            UnavailableError: None came.
        """
        with store_errors():
            await self._database.command("ping")

    async def reads_whole_ranges(self) -> bool:
        """Tell whether the server reads a range to its end whatever the limit: the embedded store does.

        Raises:
            UnavailableError: It cannot be asked now.
        """
        with store_errors():
            return await is_embedded(self._database)

    async def close(self) -> None:
        """Close all connections; operations that still run fail.

        The driver first tells the store which sessions are over, and would wait 30 s for one that is away.
        """
        try:
            async with asyncio.timeout(_FAREWELL_S):
                await self._client.close()
        except TimeoutError:
            await self._client.close()  # the sessions are forgotten: now it only closes

    async def _is_usable(self) -> bool:
        try:
            await check_durable(self._database, allow_volatile=self._allow_volatile)
        except errors.OperationFailure as error:
            if isinstance(translate(error), UnavailableError):
                return False
            reason = (error.details or {}).get("errmsg", "no reason given")
            raise StoreRefusedError(
                f"the store refuses to work for us: {reason} (code {error.code})"
            ) from None
        except errors.PyMongoError as error:
            if isinstance(translate(error), UnavailableError):
                return False
            raise
        return True
