"""Who is connected: one record for each endpoint, made of events that may come in any order, and twice.

An event about an endpoint has a key: the generation (which binding) it is about, then its own place in the
stream. The record is what the event with the highest key says; events with lower or equal keys
change nothing. So it does not matter in which order, or how often, replicas take them in, and no
clock but the stream decides (protocol/delivery.md rules 18 and 19). When an endpoint was last heard stands
beside that: it only grows.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from libs.contracts.connectivity import Transport
from libs.contracts.ids import AppVersionName, EndpointId

SEEN_EVERY: Final = timedelta(seconds=60)
"""How often at most it is written down that an endpoint was heard."""


_GENERATION: Final = re.compile(r"[0-9a-f]{12,16}-[0-9a-f]{16}")
_RUN_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def is_run_id(text: str) -> bool:
    """Whether a process may call itself so."""
    return _RUN_ID.fullmatch(text) is not None


def is_generation(text: str, *, place: str) -> bool:
    """Whether an event at this place can be about such a binding: none ends before it begins."""
    return _GENERATION.fullmatch(text) is not None and text <= place


def key_of(generation: str, place: str) -> str:
    """Spell the key of an event; two of them compare as text."""
    return f"{generation}/{place}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What one event says about one endpoint.

    Attributes:
        endpoint_id: About whom.
        generation: About which binding.
        place: Where the stream has the event; spelt as generations are.
        connected: Whether the binding holds or has ended.
        run_id: The process that holds it.
        version: What the endpoint spoke for.
        transport: What the connection speaks.
        at: When the stream stored the event.
        heard_at: When the endpoint was heard, if it says so: a binding that is only said again does not.
    """

    endpoint_id: EndpointId
    generation: str
    place: str
    connected: bool
    run_id: str
    version: AppVersionName
    transport: Transport
    at: datetime
    heard_at: datetime | None = None

    @property
    def key(self) -> str:
        """Its rank among all events about the endpoint."""
        return key_of(self.generation, self.place)

    @property
    def is_repeated(self) -> bool:
        """Whether it says again what was said before."""
        return self.connected and self.generation != self.place


@dataclass(frozen=True, slots=True, kw_only=True)
class Connectivity:
    """What is known of an endpoint's connection.

    Attributes:
        endpoint_id: Whose.
        incarnation: Of the endpoint; a record of an earlier one is not shown.
        key: Of the event that the record says; empty = none yet.
        connected: Whether a transport holds a connection on which it was heard.
        run_id: The process that holds it; empty = none.
        transport: What it spoke last.
        version: What it spoke for on its last connection; None = there was none.
        since: When its connection was first heard; None = it is not connected.
        last_seen: When it was last heard.
        is_settled: Whether nothing is left to do about the version it spoke for.
    """

    endpoint_id: EndpointId
    incarnation: str
    transport: Transport
    key: str = ""
    connected: bool = False
    run_id: str = ""
    version: AppVersionName | None = None
    since: datetime | None = None
    last_seen: datetime | None = None
    is_settled: bool = True

    @property
    def generation(self) -> str:
        """The binding it speaks of."""
        return self.key.partition("/")[0]

    def is_active(self, *, now: datetime, within: timedelta) -> bool:
        """Whether it is connected or was heard a short while ago."""
        return self.connected or (self.last_seen is not None and now - self.last_seen <= within)

    def ended(self) -> "Connectivity":
        """Give it as it is when the process that holds it is gone."""
        return replace(self, connected=False, run_id="", since=None)

    def continues(self, statement: Statement) -> bool:
        """Whether it already holds the very binding that is said again."""
        return (
            statement.is_repeated
            and self.connected
            and (self.generation, self.run_id) == (statement.generation, statement.run_id)
        )

    def is_due(self, sighting: "Sighting") -> bool:
        """Whether it is worth writing down that the endpoint was heard."""
        if self.incarnation != sighting.incarnation or self.last_seen is None:
            return True
        if not self.connected and self.transport != sighting.transport:
            return True
        return sighting.at - self.last_seen >= SEEN_EVERY


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """That an endpoint was heard outside of a connection's beginning."""

    endpoint_id: EndpointId
    incarnation: str
    transport: Transport
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A statement about an endpoint that exists.

    Attributes:
        statement: What is said.
        incarnation: Of the endpoint.
        is_settled: Whether the endpoint is at the version it speaks for.
    """

    statement: Statement
    incarnation: str
    is_settled: bool


def applied(record: Connectivity | None, known: Known) -> Connectivity | None:
    """Give the record after a statement; None when the statement changes nothing."""
    said = known.statement
    if record is not None and record.key >= said.key:
        return None
    since = said.at if said.connected else None
    if record is not None and record.continues(said):
        since = record.since
    last_seen = None if record is None else record.last_seen
    return Connectivity(
        endpoint_id=said.endpoint_id,
        incarnation=known.incarnation,
        key=said.key,
        connected=said.connected,
        run_id=said.run_id if said.connected else "",
        transport=said.transport,
        version=said.version,
        since=since,
        last_seen=latest(last_seen, said.heard_at),
        is_settled=known.is_settled,
    )


def seen(record: Connectivity | None, sighting: Sighting) -> Connectivity:
    """Give the record after a sighting; what an earlier incarnation held says nothing of this one."""
    if record is None or record.incarnation != sighting.incarnation:
        return Connectivity(
            endpoint_id=sighting.endpoint_id,
            incarnation=sighting.incarnation,
            transport=sighting.transport,
            key="" if record is None else record.key,
            version=None if record is None else record.version,
            last_seen=sighting.at,
        )
    return replace(record, transport=sighting.transport, last_seen=latest(record.last_seen, sighting.at))


def newest(statements: Iterable[Statement]) -> list[Statement]:
    """Keep the highest statement about each endpoint, and when it was last heard."""
    kept: dict[EndpointId, Statement] = {}
    for each in statements:
        known = kept.setdefault(each.endpoint_id, each)
        if known is not each:
            heard_at = latest(known.heard_at, each.heard_at)
            kept[each.endpoint_id] = replace(max(known, each, key=lambda one: one.key), heard_at=heard_at)
    return list(kept.values())


def latest(one: datetime | None, other: datetime | None) -> datetime | None:
    """Give the later of two instants that may be missing."""
    return max((each for each in (one, other) if each is not None), default=None)


class RunState(Enum):
    """What is expected of a transport process.

    ``OWING`` has to say again whom it holds, because it may have been given up.
    """

    ALIVE = "alive"
    OWING = "owing"
    ENDING = "ending"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A transport process.

    Attributes:
        run_id: Which.
        state: What is expected of it.
        stamp: Different after every sign of life, and every step of ending it: whoever watches it
            compares stamps and reads no clock in them.
        asked_at: When it was last asked to say again whom it holds.
    """

    run_id: str
    state: RunState
    stamp: str
    asked_at: datetime | None = None
