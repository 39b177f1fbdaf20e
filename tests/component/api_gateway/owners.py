"""Stand-ins for the owners behind the gateway, on the real bus."""

import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import msgspec

from libs.bus import Bus
from libs.contracts.api_keys import (
    API_KEY_REVOKED,
    CHECK_API_KEY,
    ApiKey,
    ApiKeyReply,
    ApiKeyRevokedEvent,
    CheckApiKey,
    Scope,
)
from libs.contracts.endpoint_tables import RowOutcome
from libs.contracts.errors import UnauthorizedError
from libs.contracts.messages import Reply
from libs.contracts.streams import audit_stream, events_stream
from libs.contracts.subjects import Operation
from services.api_gateway.routes import ROUTES, Route
from services.api_gateway.series_formats import EXAMPLE

Anything: TypeAlias = Any
"""A value whose shape the test knows."""
AnyOperation: TypeAlias = Operation[Any, Any]
Handler: TypeAlias = Callable[[Any], Awaitable[Reply]]

ADMIN = "grove_admin-key-of-the-tests"


def key_of(scope: Scope, **fields: Anything) -> ApiKey:
    """What credential-manager would say of a key."""
    plain = ApiKey(
        api_key_id=f"{scope.value}-key",
        name=scope.value,
        scope=scope,
        applications=None,
        created_date="2026-11-21T04:00:00.000Z",
        expiry_date=None,
        revoked=False,
    )
    return msgspec.structs.replace(plain, **fields)


class Keys:
    """Stands in for credential-manager's part that knows API keys."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.known: dict[str, ApiKey] = {ADMIN: key_of(Scope.ADMIN)}
        self.checks = 0

    def add(self, key: str, scope: Scope = Scope.READ, **fields: Anything) -> None:
        self.known[key] = key_of(scope, **fields)

    def in_seconds(self, seconds: float) -> str:
        """An expiry date so far from now."""
        return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()

    async def revoke(self, key: str) -> None:
        event = ApiKeyRevokedEvent(api_key_id=self.known.pop(key).api_key_id)
        await self._bus.broadcast(API_KEY_REVOKED.subject(self._bus.subjects), event)

    async def on_check(self, request: CheckApiKey) -> ApiKeyReply:
        self.checks += 1
        if request.key not in self.known:
            raise UnauthorizedError("the API key is not valid")
        return ApiKeyReply(body=self.known[request.key])


class Owners:
    """Stands in for the services behind the routes: answers the example of the route, or what is set.

    Attributes:
        keys: The API keys there are.
        asked: Every request that arrived, in order.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._handlers: dict[str, Handler] = {}
        self.keys = Keys(bus)
        self.asked: list[Any] = []

    async def start(self) -> None:
        await self._bus.ensure_stream(events_stream(self._bus.subjects))
        await self._bus.ensure_stream(audit_stream(self._bus.subjects))
        subject = CHECK_API_KEY.subject(self._bus.subjects)
        await self._bus.serve(subject, CheckApiKey, self.keys.on_check, queue=CHECK_API_KEY.instance)
        routes: dict[str, list[Route]] = {}
        for route in ROUTES:
            for operation in (route.operation, *route.by_instance.values()):
                served = routes.setdefault(operation.subject(self._bus.subjects), [])
                served += [] if route in served else [route]
        del routes[subject]
        for subject, served in routes.items():
            await self._serve(subject, served)

    def reset(self) -> None:
        """Forget what was asked and what was set; keys stay."""
        self._handlers.clear()
        self.asked.clear()

    async def leave(self) -> None:
        """Serve nothing any more."""
        await self._bus.stop_serving()

    def on(self, operation: AnyOperation, handler: Handler) -> None:
        """Handle an operation otherwise from now on."""
        self._handlers[operation.subject(self._bus.subjects)] = handler

    def fail(self, operation: AnyOperation, error: Exception) -> None:
        """Answer an error from now on."""

        async def handler(_request: object) -> Reply:
            raise error

        self.on(operation, handler)

    async def _serve(self, subject: str, routes: Sequence[Route]) -> None:
        async def on_request(request: Anything) -> Reply:
            self.asked.append(request)
            handler = self._handlers.get(subject)
            return await handler(request) if handler else example_reply(_route_of(request, routes), request)

        operation = routes[0].operation
        await self._bus.serve(subject, operation.request, on_request, queue=operation.instance)


def _route_of(request: Anything, routes: Sequence[Route]) -> Route:
    """Of two routes for one operation, the one that left out what the request does not have."""
    return next(each for each in routes if all(getattr(request, name) is None for name in each.fixed))


def example_reply(route: Route, request: Anything) -> Reply:
    """The reply whose answer is the example of the documentation."""
    fields: dict[str, Any] = {}
    if route.reply_type is not None:
        fields["body"] = msgspec.convert(route.response_example, route.reply_type)
    if route.table is not None:
        fields["rows"] = tuple(RowOutcome(201, "tree", "token") for _ in getattr(request, "payload", ()))
    elif route.streamed:
        fields["runs"] = [EXAMPLE]
    elif route.answer is not None:
        fields["payload"] = json.dumps(route.response_example).encode()
    if route.tells_e_tag:
        fields["e_tag"] = '"6f1c"'
    reply: Reply = route.operation.reply(**fields)
    return reply
