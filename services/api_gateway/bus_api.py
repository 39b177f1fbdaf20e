"""The gateway on the bus: it asks the owners, writes changes down, and hears when an API key is revoked."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from libs.bus import Bus, LookupCache
from libs.contracts.api_keys import API_KEY_REVOKED, CHECK_API_KEY, ApiKey, ApiKeyRevokedEvent, CheckApiKey
from libs.contracts.audit import AuditBatch, AuditEntry, audit_subject
from libs.contracts.messages import ReplyT, RequestT
from libs.contracts.subjects import EventType, Operation
from services.api_gateway.domain import Fingerprint, fingerprint

SUBJECTS: tuple[Operation[Any, Any] | EventType[Any], ...] = (API_KEY_REVOKED,)


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
