"""Who is connected (Kaa 9/ELCE), and which transport speaks for whom (protocol/delivery.md rules 18-19).

A transport that hears an endpoint announces ``connected``; where the stream stored that event is
the binding's **generation**, and the highest one owns the endpoint. Nobody's clock decides anything.
A binding that is announced again (after a cut) names its generation, so repeating it changes nothing that
came later.
``disconnected`` names the generations it ends and touches no other.

What may be lost - that an endpoint was seen, that a replica lives - are requests, gathered by each transport
and repeated by the next one.
"""

from typing import Literal

from msgspec import Struct, field

from libs.contracts.messages import Event, Reply, Request
from libs.contracts.subjects import EventType, Operation

Transport = Literal["MQTT", "HTTP"]

MAX_ENDPOINTS = 1_000
"""Endpoints that one event or report names: about 100 KiB on the bus."""
ALIVE_EVERY_S = 5.0
"""How often a transport says that it lives."""
SILENT_AFTER_S = 20.0
"""How long it may be silent before all it held is ended for it."""


def generation(*, stream_created_ms: int, sequence: int) -> str:
    """Spell a generation: two of them compare as text the way the bindings happened.

    Args:
        stream_created_ms: When the stream was created, Unix milliseconds: sequences restart with it.
        sequence: Where the stream stored the event.
    """
    return f"{stream_created_ms:012x}-{sequence:016x}"


class ConnectedEvent(Event, frozen=True, kw_only=True):
    """A transport holds a connection on which these endpoints were heard.

    Attributes:
        endpoints: Endpoint id -> application version it spoke for.
        run_id: Of the transport process: where pushes go.
        transport: What the connection speaks.
        generations: Of the bindings that existed before and are only said again; whoever is not in
            here is bound by this very event.
    """

    endpoints: dict[str, str]
    run_id: str
    transport: Transport = "MQTT"
    generations: dict[str, str] = field(default_factory=dict)


class DisconnectedEvent(Event, frozen=True, kw_only=True):
    """Bindings ended.

    Attributes:
        endpoints: Endpoint id -> application version it spoke for.
        run_id: Of the process that held them.
        generations: Which binding of each endpoint ended; a later one goes on.
    """

    endpoints: dict[str, str]
    run_id: str
    generations: dict[str, str]


class Seen(Struct, array_like=True, frozen=True):
    """That an endpoint was heard: when (Unix milliseconds), and for which version it spoke."""

    at_ms: int
    app_version_name: str


class SeenReport(Request, frozen=True, kw_only=True):
    """Endpoints heard since the last report, at most :data:`MAX_ENDPOINTS`."""

    transport: Transport
    endpoints: dict[str, Seen]


class SeenReply(Reply, frozen=True, kw_only=True):
    """Noted."""


class AliveReport(Request, frozen=True, kw_only=True):
    """A transport lives.

    Attributes:
        run_id: Which process.
        transport: What it speaks.
        bindings: How many endpoints it holds.
        leaving: It is stopping and has ended all its bindings.
    """

    run_id: str
    transport: Transport = "MQTT"
    bindings: int = 0
    leaving: bool = False


class AliveReply(Reply, frozen=True, kw_only=True):
    """Noted.

    Attributes:
        restate: The process was unknown or given up: it has to say again whom it holds.
    """

    restate: bool = False


CONNECTED = EventType(
    originator="mqtt-transport",
    entity="endpoint",
    group="connectivity",
    name="connected",
    event=ConnectedEvent,
    summary="A transport speaks for these endpoints.",
)
DISCONNECTED = EventType(
    originator="mqtt-transport",
    entity="endpoint",
    group="connectivity",
    name="disconnected",
    event=DisconnectedEvent,
    summary="A transport no longer speaks for these endpoints.",
)
GIVEN_UP = EventType(
    originator="endpoint-register",
    entity="endpoint",
    group="connectivity",
    name="disconnected",
    event=DisconnectedEvent,
    summary="The transport that spoke for these endpoints has been silent for too long.",
)
REPORT_SEEN = Operation(
    instance="endpoint-register",
    protocol="connectivity",
    name="seen-report",
    request=SeenReport,
    reply=SeenReply,
    summary="Note when endpoints were heard.",
)
REPORT_ALIVE = Operation(
    instance="endpoint-register",
    protocol="connectivity",
    name="alive-report",
    request=AliveReport,
    reply=AliveReply,
    summary="Note that a transport lives.",
)
