"""Make a process visible to ``nats micro``: ``$SRV.PING``, ``$SRV.INFO`` and ``$SRV.STATS``.

Only that: nats.micro answers a failing handler with ``repr(error)``, which may hold anything, so
requests are served by :mod:`libs.bus.serving` and merely reported here. The shapes are nats.micro's;
its ``Service`` is not used because it takes the time from a function that Python 3.12 deprecates.
"""

import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from nats.aio.msg import Msg
from nats.micro.service import (
    EndpointInfo,
    EndpointStats,
    ServiceInfo,
    ServicePing,
    ServiceStats,
    ServiceVerb,
    control_subject,
)

from libs.bus.connection import Connection
from libs.bus.serving import Endpoint
from libs.contracts.errors import UnavailableError
from libs.contracts.version import VERSION

_NS = 1_000_000_000
_Description = ServicePing | ServiceInfo | ServiceStats


class Discovery:
    """Says who this process is, what it serves and how much of it, to whoever asks."""

    def __init__(
        self, connection: Connection, *, service: str, replica: str, endpoints: list[Endpoint[Any]]
    ) -> None:
        """Report ``endpoints`` as they are when somebody asks."""
        self._connection = connection
        self._service = service
        self._id = secrets.token_hex(11)
        self._metadata = {"replica": replica}
        self._endpoints = endpoints
        self._started = datetime.now(UTC)

    async def start(self) -> None:
        """Subscribe: every verb for all services, for this kind, and for this very process."""
        verbs: dict[ServiceVerb, Callable[[], _Description]] = {
            ServiceVerb.PING: self._ping,
            ServiceVerb.INFO: self._info,
            ServiceVerb.STATS: self._stats,
        }
        for verb, describe in verbs.items():
            for name, id_ in ((None, None), (self._service, None), (self._service, self._id)):
                subject = control_subject(verb, name=name, id=id_)
                await self._connection.subscribe(subject, self._responder(describe))

    def _responder(self, describe: Callable[[], _Description]) -> Callable[[Msg], Any]:
        async def respond(msg: Msg) -> None:
            if not msg.reply:
                return
            try:
                await self._connection.publish(msg.reply, json.dumps(describe().to_dict()).encode())
            except UnavailableError:
                return  # whoever asked has been cut off as well

        return respond

    def _ping(self) -> ServicePing:
        return ServicePing(id=self._id, name=self._service, version=VERSION, metadata=self._metadata)

    def _info(self) -> ServiceInfo:
        return ServiceInfo(
            id=self._id,
            name=self._service,
            version=VERSION,
            metadata=self._metadata,
            endpoints=[
                EndpointInfo(name=served.name, subject=served.subject, queue_group=served.queue)
                for served in self._endpoints
            ],
        )

    def _stats(self) -> ServiceStats:
        return ServiceStats(
            id=self._id,
            name=self._service,
            version=VERSION,
            metadata=self._metadata,
            started=self._started,
            endpoints=[_stats(served) for served in self._endpoints],
        )


def _stats(served: Endpoint[Any]) -> EndpointStats:
    """Count the requests answered so far; of an error only that there was one."""
    busy_ns = int(served.busy_s * _NS)
    return EndpointStats(
        name=served.name,
        subject=served.subject,
        queue_group=served.queue,
        num_requests=served.handled,
        num_errors=served.errors,
        processing_time=busy_ns,
        average_processing_time=busy_ns // max(1, served.handled),
    )
