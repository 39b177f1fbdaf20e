"""REST over HTTP: which route, who calls, may they, what do they say, what does the owner answer.

The order matters: a request without a key costs no body, one without the scope costs no
validation, and nothing reaches an owner that is not whole. Around all of it stands
:mod:`services.api_gateway.edge`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import hdrs, web

from libs.bus.token_buckets import Buckets
from libs.contracts.live import FollowEvents
from services.api_gateway import answers
from services.api_gateway.audit_entries import Call
from services.api_gateway.auditing import Auditing
from services.api_gateway.binding import Incoming, bind, ignored_parameters
from services.api_gateway.bodies import expect_nothing, read_body
from services.api_gateway.edge import Edge, correlation_id_of, name_caller, name_route
from services.api_gateway.exporting import export_table
from services.api_gateway.gathering import ask_for_all
from services.api_gateway.importing import Imports
from services.api_gateway.live.answering import answer_events
from services.api_gateway.live.streams import LiveStreams
from services.api_gateway.openapi import openapi
from services.api_gateway.pages import Page, pages, show
from services.api_gateway.ports import Clock, Keys, Owners
from services.api_gateway.routes import Place, Route, Table
from services.api_gateway.routing import Match, Router
from services.api_gateway.streaming import stream_series
from services.api_gateway.usecases import Presented, identify, permit, within_rate

IAMCORE_HEADER: Final = "x-iamcore-api-key"
IGNORED_HEADER: Final = "Grove-Ignored"


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What bounds a request.

    Attributes:
        body_timeout_s: Longest wait for a body.
        max_in_flight: Requests answered at the same time.
    """

    body_timeout_s: float
    max_in_flight: int


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """What the gateway needs, each part replaceable."""

    owners: Owners
    keys: Keys
    clock: Clock
    buckets: Buckets
    live: LiveStreams
    auditing: Auditing
    new_correlation_id: Callable[[], str]


class RestApi:
    """Answers every request of one listener."""

    def __init__(self, routes: Sequence[Route], *, world: World, limits: Limits) -> None:
        """Derive routing and documentation from a table."""
        self._router = Router(routes)
        self._pages: Mapping[str, Page] = pages(openapi(routes))
        self._world = world
        self._limits = limits
        self._imports = Imports(world.owners, row_timeout_s=limits.body_timeout_s)

    def app(self) -> web.Application:
        """Make the application for :meth:`libs.process.Process.serve_http`."""
        edge = Edge(
            new_correlation_id=self._world.new_correlation_id, max_in_flight=self._limits.max_in_flight
        )
        app = web.Application(middlewares=[edge.middleware()])
        app.on_shutdown.append(self._on_shutdown)
        app.router.add_route("*", r"/{path:[\s\S]*}", self.on_request, expect_handler=expect_nothing)
        return app

    async def _on_shutdown(self, _app: web.Application) -> None:
        self._world.live.stop()

    async def on_request(self, request: web.Request) -> web.StreamResponse:
        """Answer a page, or call a route.

        Raises:
            GroveError: Whatever stands in the way; the edge turns it into an answer.
        """
        page = self._pages.get(request.rel_url.raw_path)
        if page is not None:
            name_route(request, request.rel_url.raw_path)
            known = [each.strip() for each in request.headers.get(hdrs.IF_NONE_MATCH, "").split(",")]
            return show(page, method=request.method, known=known)
        match = self._router.match(request.method, request.rel_url.raw_path)
        name_route(request, match.route.path)
        return await self._call(request, match)

    async def _call(self, request: web.Request, match: Match) -> web.StreamResponse:
        route, world = match.route, self._world
        presented = _presented(request)
        caller = await identify(presented, keys=world.keys, clock=world.clock)
        name_caller(request, caller.api_key.api_key_id)
        within_rate(caller, buckets=world.buckets)
        call = _call_of(request, match)
        with world.auditing.refusals(call, caller.api_key):
            permit(caller, route.scope, whole=route.whole)
        body = b""
        if route.has_body and route.table is None:
            body = await read_body(request, route, timeout_s=self._limits.body_timeout_s)
        message = bind(route, _incoming(request, match, body), caller=caller)
        if isinstance(message, FollowEvents):

            async def check() -> None:
                await identify(presented, keys=world.keys, clock=world.clock)

            return await answer_events(request, message, caller.api_key, live=world.live, check=check)
        operation = route.operation_for(message)
        if route.streamed:
            return await stream_series(request, message, operation, owners=world.owners)
        if route.table is not None:
            async with world.auditing.change(call, caller.api_key, message):
                return await self._table(request, message, route.table)
        async with world.auditing.change(call, caller.api_key, message) as change:
            reply = await ask_for_all(world.owners, operation, message, timeout_s=route.timeout_s)
            change.done(reply)
        response = answers.success(route, reply, values=match.values)
        ignored = ignored_parameters(route, request.rel_url.raw_query_string)
        if ignored:
            response.headers[IGNORED_HEADER] = ", ".join(ignored)
        return response

    async def _table(
        self,
        request: web.Request,
        message: Any,  # noqa: ANN401 - as its route says
        table: Table,
    ) -> web.StreamResponse:
        if table is Table.EXPORT:
            return await export_table(request, message, owners=self._world.owners)

        async def check() -> None:
            await identify(_presented(request), keys=self._world.keys, clock=self._world.clock)

        return await self._imports.answer(request, message, check=check)


def _call_of(request: web.Request, match: Match) -> Call:
    return Call(
        route=match.route,
        values=match.values,
        correlation_id=correlation_id_of(request),
        remote_address=request.remote or "",
    )


def _presented(request: web.Request) -> Presented:
    return Presented(
        authorization=request.headers.get(hdrs.AUTHORIZATION), iamcore_key=request.headers.get(IAMCORE_HEADER)
    )


def _incoming(request: web.Request, match: Match, body: bytes) -> Incoming:
    names = [parameter.name for parameter in match.route.parameters_in(Place.HEADER)]
    return Incoming(
        values=match.values,
        query=request.rel_url.raw_query_string,
        headers={name: ", ".join(request.headers.getall(name)) for name in names if name in request.headers},
        body=body,
    )
