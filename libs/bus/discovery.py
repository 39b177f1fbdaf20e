"""Make a process visible to ``nats micro``: ``$SRV.PING``, ``$SRV.INFO`` and ``$SRV.STATS``.

Only that: nats.micro answers a failing handler with ``repr(error)``, which may hold anything, so
requests are served by :mod:`libs.bus.serving` and merely reported here.
"""

from typing import Any

from nats.micro.service import (
    EndpointInfo,
    EndpointStats,
    Service,
    ServiceConfig,
    ServiceInfo,
    ServiceStats,
)

from libs.bus.client import ResilientClient
from libs.bus.serving import Endpoint
from libs.contracts.version import VERSION

_NS = 1_000_000_000


class Discovery(Service):
    """A NATS micro service whose endpoints are served elsewhere."""

    def __init__(
        self, client: ResilientClient, *, service: str, replica: str, endpoints: list[Endpoint[Any]]
    ) -> None:
        """Report ``endpoints`` as they are when somebody asks."""
        super().__init__(client, ServiceConfig(name=service, version=VERSION, metadata={"replica": replica}))
        self._served = endpoints

    def info(self) -> ServiceInfo:
        """Name the subjects served now."""
        info = super().info()
        info.endpoints = [
            EndpointInfo(name=served.name, subject=served.subject, queue_group=served.queue)
            for served in self._served
        ]
        return info

    def stats(self) -> ServiceStats:
        """Count the requests answered so far; an error is told by number only."""
        stats = super().stats()
        stats.endpoints = [_stats(served) for served in self._served]
        return stats


def _stats(served: Endpoint[Any]) -> EndpointStats:
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
