"""How every service takes its place on the bus, so that each ``app.py`` says it in one line.

libs do not know one another: what is asked of the process is the Protocol here, and
:class:`libs.process.Process` happens to be such a host.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

import structlog

from libs.bus.bus import Bus
from libs.bus.serving import DEFAULT_MAX_IN_FLIGHT

_log = structlog.get_logger()


class _Health(Protocol):
    def add(self, name: str, ping: Callable[[], Awaitable[None]]) -> None: ...


class _Settings(Protocol):
    @property
    def nats_url(self) -> str: ...
    @property
    def subject_root(self) -> str: ...
    @property
    def allow_volatile_nats(self) -> bool: ...


class Host(Protocol):
    """The process a connection lives in."""

    @property
    def name(self) -> str: ...
    @property
    def replica(self) -> str: ...
    @property
    def settings(self) -> _Settings: ...
    @property
    def health(self) -> _Health: ...
    def on_stop(self, name: str, stop: Callable[[], Awaitable[None]]) -> None: ...
    def supervise(self, name: str, coro: Coroutine[Any, Any, None]) -> None: ...


async def connect_bus(process: Host, *, max_in_flight: int = DEFAULT_MAX_IN_FLIGHT) -> Bus:
    """Connect as the service of this process, for as long as it lives.

    The process is unready while the server does not answer, stops when the connection is gone for
    good, and closes it when everything registered later has stopped.

    ``sync_interval`` cannot be read over the client protocol, so whoever runs the server declares it
    (delivery, power); reading the setting refuses a start without a declaration.

    Raises:
        BusRefusedError: The server cannot carry the suite.
    """
    if process.settings.allow_volatile_nats:
        _log.error("bus.volatile", reason="NATS may lose what it acknowledged; that was accepted")
    bus = await Bus.connect(
        url=process.settings.nats_url,
        service=process.name,
        replica=process.replica,
        root=process.settings.subject_root,
        max_in_flight=max_in_flight,
    )
    process.on_stop("bus", bus.close)
    process.health.add("nats", bus.ping)
    process.supervise("bus connection", bus.watch())
    return bus
