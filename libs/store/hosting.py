"""How every service that owns data opens its database, so that each ``app.py`` says it in one line.

libs do not know one another: what is asked of the process is the Protocol here, and
:class:`libs.process.Process` happens to be such a host.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

from libs.store.client import Store


class _Health(Protocol):
    def add(self, name: str, ping: Callable[[], Awaitable[None]]) -> None: ...


class _Settings(Protocol):
    @property
    def mongodb_url(self) -> str: ...
    @property
    def allow_volatile_store(self) -> bool: ...


class Host(Protocol):
    """The process a store is open in."""

    @property
    def name(self) -> str: ...
    @property
    def replica(self) -> str: ...
    @property
    def settings(self) -> _Settings: ...
    @property
    def health(self) -> _Health: ...
    def on_stop(self, name: str, stop: Callable[[], Awaitable[None]]) -> None: ...


async def open_store(process: Host) -> Store:
    """Open the database named as the service, and wait until the server is there.

    The process is unready while the server does not answer, and closes the store when everything
    registered later has stopped.

    Raises:
        StoreRefusedError: The server or its settings cannot keep what is acknowledged.
    """
    store = Store.open(
        process.settings.mongodb_url,
        database=process.name.replace("-", "_"),
        app_name=process.replica,
        allow_volatile=process.settings.allow_volatile_store,
    )
    process.on_stop("store", store.close)
    process.health.add("mongodb", store.ping)
    await store.wait_until_available()
    return store
