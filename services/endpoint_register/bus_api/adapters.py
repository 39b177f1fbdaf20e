"""Ports whose other side is the bus."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

from libs.bus import Bus, LookupCache
from libs.contracts.credentials import (
    DELETE_ENDPOINT_TOKENS,
    STORE_TOKEN,
    STORE_TOKENS,
    DeleteEndpointTokens,
    FirstToken,
    StoreToken,
    StoreTokens,
)
from libs.contracts.errors import GroveError, error_for
from libs.contracts.ids import ApplicationName, AppVersionName, application_of
from libs.contracts.lifecycle import (
    CONFIGURATION_DELETED,
    CONFIGURATION_UPSERTED,
    ConfigurationUpdatedEvent,
)
from libs.contracts.messages import Event, EventT
from libs.contracts.subjects import EventType, Subjects
from services.endpoint_register.domain.endpoint import Endpoint
from services.endpoint_register.domain.whitelist import Whitelist

_CREDENTIALS_S: Final = 4.0
"""Creating an endpoint asks once and writes four times, and its caller waits 5 s for all of it."""

_MANY_CREDENTIALS_S: Final = 10.0
"""An import waits longer, see the gateway; and a creation lives a minute."""

_FIRST_ERROR: Final = 400
_MAX_VERSIONS: Final = 10_000


class BusCredentials:
    """Asks credential-manager."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def store_token(self, token: str, *, endpoint: Endpoint) -> None:
        """Store the first token of this incarnation."""
        await self._bus.request(
            STORE_TOKEN.subject(self._bus.subjects),
            StoreToken(
                application_name=endpoint.application,
                endpoint_id=endpoint.id,
                token=token,
                incarnation=endpoint.incarnation,
            ),
            STORE_TOKEN.reply,
            timeout_s=_CREDENTIALS_S,
        )

    async def store_tokens(self, tokens: Sequence[tuple[Endpoint, str]]) -> list[GroveError | None]:
        """Store the first tokens of these incarnations."""
        reply = await self._bus.request(
            STORE_TOKENS.subject(self._bus.subjects),
            StoreTokens(
                application_name=tokens[0][0].application,
                tokens=tuple(FirstToken(each.id, token, each.incarnation) for each, token in tokens),
            ),
            STORE_TOKENS.reply,
            timeout_s=_MANY_CREDENTIALS_S,
        )
        return [
            None if each.status_code < _FIRST_ERROR else error_for(each.status_code, each.reason)
            for each in reply.outcomes
        ]

    async def delete_tokens(self, endpoint: Endpoint) -> None:
        """Forget all tokens of this incarnation."""
        await self._bus.request(
            DELETE_ENDPOINT_TOKENS.subject(self._bus.subjects),
            DeleteEndpointTokens(endpoint_id=endpoint.id, incarnation=endpoint.incarnation),
            DELETE_ENDPOINT_TOKENS.reply,
            timeout_s=_CREDENTIALS_S,
        )


class BusEventPublisher:
    """Publishes to the stream of control events."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def publish(
        self, kind: EventType[Any], event: Event, *, message_id: str, deadline_s: float
    ) -> None:
        """Return when the event is durable."""
        named = dict(zip(event.__struct_encode_fields__, event.__struct_fields__, strict=True))
        subject = kind.subject(self._bus.subjects, *(getattr(event, named[name]) for name in kind.extra))
        await self._bus.announce(subject, event, msg_id=message_id, deadline_s=deadline_s)


class EventSource(Protocol):
    """What is needed of a :class:`libs.bus.Bus` to hear what others change."""

    subjects: Subjects

    async def listen(
        self, subject: str, event_type: type[EventT], handler: Callable[[EventT], None]
    ) -> None: ...

    def on_cut(self, callback: Callable[[], None]) -> None: ...


class CachedWhitelists:
    """Keeps whitelists in memory: every request of a device needs one, and they hardly ever change.

    An entry lives at most 30 s; the events of all replicas, this one included, end it sooner, and a
    connection that was cut ends all of them, because events may have been missed.
    """

    def __init__(self, load: Callable[[AppVersionName], Awaitable[Whitelist]]) -> None:
        self._cache: LookupCache[AppVersionName, Whitelist] = LookupCache(load, max_entries=_MAX_VERSIONS)

    async def of(self, version: AppVersionName) -> Whitelist:
        """The limits of a version."""
        return await self._cache.get(version)

    def forget(self, application: ApplicationName, version: AppVersionName | None) -> None:
        """Forget what was configured for a version, or for an application and its versions."""
        if version is not None:
            self._cache.invalidate(version)
        else:
            self._cache.invalidate_keys(lambda key: application_of(key) == application)

    async def follow(self, bus: EventSource) -> None:
        """Hear what other replicas change."""

        def on_event(event: ConfigurationUpdatedEvent) -> None:
            version = None if event.app_ver_name is None else AppVersionName(event.app_ver_name)
            self.forget(ApplicationName(event.app_name), version)

        for kind in (CONFIGURATION_UPSERTED, CONFIGURATION_DELETED):
            await bus.listen(kind.subject(bus.subjects), kind.event, on_event)
        bus.on_cut(self._cache.clear)
