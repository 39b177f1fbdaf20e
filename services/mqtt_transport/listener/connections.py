"""All open connections of this process: bounded in number, found by number, ended together."""

import asyncio
import itertools
from typing import Final

from services.mqtt_transport import metrics
from services.mqtt_transport.listener.connection import Connection
from services.mqtt_transport.listener.parts import Parts
from services.mqtt_transport.listener.wire import Wire

_LAST_BYTES_S: Final = 2.0
_POLL_S: Final = 0.02


class Connections:
    """The open connections; numbers are never used twice (delivery rule 1)."""

    def __init__(self, *, max_connections: int) -> None:
        self._max_connections = max_connections
        self._open: dict[int, Connection] = {}
        self._numbers = itertools.count(1)
        self._leaving = False

    def __len__(self) -> int:
        """Count them."""
        return len(self._open)

    def find(self, number: int) -> Connection | None:
        """The connection of this number, if it is open."""
        return self._open.get(number)

    def open(self, wire: Wire, parts: Parts) -> Connection | None:
        """Begin with a client; None when there may be no more, and the wire is to be closed."""
        if self._leaving or len(self._open) >= self._max_connections:
            metrics.CLOSED.labels("too many connections").inc()
            return None
        connection = Connection(next(self._numbers), wire, parts)
        self._open[connection.number] = connection
        return connection

    def closed(self, connection: Connection) -> None:
        """Forget one whose wire is closed."""
        self._open.pop(connection.number, None)
        connection.wire_closed()

    async def leave(self, *, within_s: float) -> None:
        """End all of them, each when what it has in flight is finished; returns when they are gone."""
        self._leaving = True
        async with asyncio.TaskGroup() as group:
            for connection in list(self._open.values()):
                group.create_task(connection.leave(within_s=within_s), name="leave")
        ends_at = asyncio.get_running_loop().time() + _LAST_BYTES_S
        # Nothing tells when the last socket has closed, and this happens once in a life.
        while self._open and asyncio.get_running_loop().time() < ends_at:  # noqa: ASYNC110 - see above
            await asyncio.sleep(_POLL_S)
