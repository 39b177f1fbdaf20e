"""The gateway on the bus: it asks owners, writes changes down, hears of revoked API keys, reads events."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from libs.bus import Bus, LookupCache
from libs.bus.inspecting import Extent
from libs.contracts.api_keys import API_KEY_REVOKED, CHECK_API_KEY, ApiKey, ApiKeyRevokedEvent, CheckApiKey
from libs.contracts.audit import AuditBatch, AuditEntry, audit_subject
from libs.contracts.catalogue import declared_events
from libs.contracts.live import DATA_GROUP, type_name
from libs.contracts.messages import ReplyT, RequestT
from libs.contracts.streams import EVENT_GROUPS, events_stream
from libs.contracts.subjects import EventType, Operation
from services.api_gateway.domain import Fingerprint, fingerprint

SUBJECTS: tuple[Operation[Any, Any] | EventType[Any], ...] = (API_KEY_REVOKED,)

_DATA_EVENTS = {type_name(event): event for event in declared_events() if event.group == DATA_GROUP}


class BusOwners:
    """Asks the services that own the data.

    Args:
        bus: Connected.
        timeout_s: How long an owner may take unless the caller of :meth:`ask` says otherwise.
    """

    def __init__(self, bus: Bus, *, timeout_s: float) -> None:
        self._bus = bus
        self._timeout_s = timeout_s

    async def ask(
        self, operation: Operation[RequestT, ReplyT], message: RequestT, *, timeout_s: float | None = None
    ) -> ReplyT:
        """Have an operation carried out by any replica of its owner."""
        return await self._bus.request(
            operation.subject(self._bus.subjects),
            message,
            operation.reply,
            timeout_s=self._timeout_s if timeout_s is None else timeout_s,
        )


class BusKeys:
    """Remembers what credential-manager says of API keys, until it hears otherwise.

    Delivery rule 17 is kept by :class:`~libs.bus.LookupCache`. The cache knows keys by fingerprint
    only; the keys themselves are here just while somebody waits for the answer about them.
    """

    def __init__(self, owners: BusOwners, *, max_entries: int) -> None:
        self._owners = owners
        self._cache: LookupCache[Fingerprint, ApiKey] = LookupCache(self._load, max_entries=max_entries)
        self._secrets: dict[Fingerprint, str] = {}
        self._waiting: Counter[Fingerprint] = Counter()

    async def start(self, bus: Bus) -> None:
        """Hear revocations from now on; call before the first :meth:`check`."""
        bus.on_cut(self._cache.clear)
        await bus.listen(API_KEY_REVOKED.subject(bus.subjects), ApiKeyRevokedEvent, self._on_revoked)

    async def check(self, key: str) -> ApiKey:
        """What a key may do, from memory or from its owner."""
        name = fingerprint(key)
        self._secrets[name] = key
        self._waiting[name] += 1
        try:
            return await self._cache.get(name)
        finally:
            self._waiting[name] -= 1
            if not self._waiting[name]:
                del self._waiting[name], self._secrets[name]

    async def _load(self, name: Fingerprint) -> ApiKey:
        reply = await self._owners.ask(CHECK_API_KEY, CheckApiKey(key=self._secrets[name]))
        return reply.body

    def _on_revoked(self, event: ApiKeyRevokedEvent) -> None:
        self._cache.invalidate_where(lambda _, known: known.api_key_id == event.api_key_id)


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """A control event as the stream has it."""

    sequence: int
    kind: str
    body: bytes


class BusEvents:
    """Reads control events from their stream, one at a time, and hears data events.

    The stream is read without a consumer: nothing of it is acknowledged, and the gateway's NATS user may
    touch nobody else's.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._root = f"{bus.subjects.root}.events."
        self.stream = events_stream(bus.subjects).name

    async def start(self, on_control: Callable[[], None], on_cut: Callable[[], None]) -> None:
        """From now on say when a control event was told, and when one may have been missed."""
        self._bus.on_cut(on_cut)
        for entity, group in EVENT_GROUPS:
            await self._bus.hear(self._bus.subjects.events_of(entity, group), lambda _: on_control())

    async def extent(self) -> Extent:
        """What the stream holds now."""
        return await self._bus.inspector.extent(self.stream)

    async def kept(self, from_sequence: int) -> KeptEvent | None:
        """Read the first event at or behind a sequence; None = there is none yet."""
        found = await self._bus.inspector.find(self.stream, f"{self._root}>", from_sequence=from_sequence)
        return None if found is None else KeptEvent(found.sequence, self._kind(found.subject), found.body)

    async def hear(self, kind: str, handler: Callable[[bytes], None]) -> Callable[[], Awaitable[None]]:
        """Hear data events of a type from now on; returns what ends that."""
        event = _DATA_EVENTS[kind]
        subject = event.subject(self._bus.subjects)
        return await self._bus.hear(f"{subject}.>" if event.extra else subject, handler)

    def _kind(self, subject: str) -> str:
        return ".".join(subject.removeprefix(self._root).split(".")[1:4])


class BusAuditLog:
    """Writes to the stream ``AUDIT``.

    Args:
        bus: Connected.
        replica: Of this process: with a counter it names what is published.
    """

    def __init__(self, bus: Bus, *, replica: str) -> None:
        self._bus = bus
        self._replica = replica
        self._counter = 0

    async def store(self, entries: Sequence[AuditEntry], *, deadline_s: float) -> None:
        """Return when all of them are durable."""
        self._counter += 1
        await self._bus.store(
            audit_subject(self._bus.subjects),
            msgspec.msgpack.encode(AuditBatch(list(entries))),
            msg_id=f"{self._replica}-{self._counter}",
            deadline_s=deadline_s,
        )
