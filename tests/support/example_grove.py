"""The examples of the route table made true on a running suite.

All of them speak of the application ``olives``, its version ``olives-v1`` and the endpoint ``tree-17``. Here
these are created under names of this grove alone, from the examples themselves, and every example is called
with the names put in: a new route finds what it needs without a word about it here.
"""

import json
import re
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

from libs.contracts.endpoints import CREATE_ENDPOINT
from services.api_gateway.routes import ROUTES, Place, Route
from tests.support.api_gateway import body_of, route_id, target_of

APPLICATION = "olives"
TREE, ORCHARD = "tree-17", "orchard-3"
"""Endpoints: the one of nearly all examples, and the one it is related to."""
_DEVICE = "3f0e1c52-7c3f-4a0e-9d3b-2b0c1a4f5e66"
_PHRASE = re.compile(r'"(?:message|reason|statusReason)":"(?:[^"\\]|\\.)*"')
_STREAM = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Heard:
    """What a call was answered; a stream of events is not waited for.

    Attributes:
        route: Method and path as in the table, with what was added to the query.
        success: Status of the route when it went well.
        status: The one that came.
        text: The body.
        told: Names of the grove in it that were not in the request, outside of phrases that refuse.
    """

    route: str
    success: int
    status: int
    text: str
    told: tuple[str, ...]


@dataclass(slots=True)
class ExampleGrove:
    """One application in which the examples of all routes are true.

    Attributes:
        api: Where the gateway is.
        session: Makes the calls.
        names: What stands in the examples, and what it is here.
    """

    api: str
    session: aiohttp.ClientSession
    names: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Draw the names that are chosen, not answered."""
        self.names |= {
            APPLICATION: f"grove{secrets.token_hex(4)}",
            TREE: f"tree-{secrets.token_hex(4)}",
            ORCHARD: f"orchard-{secrets.token_hex(4)}",
            _DEVICE: str(uuid.uuid4()),
        }

    def filters(self, route: Route) -> list[str]:
        """Query strings of a route that name, without need, what is here: one for each such parameter."""
        return [
            f"{parameter.name}={parameter.example}"
            for parameter in route.parameters_in(Place.QUERY)
            if not parameter.required and self._here(str(parameter.example)) != str(parameter.example)
        ]

    async def call(self, route: Route, headers: Mapping[str, str], *, query: str = "") -> Heard:
        """Call a route with its example, and what is added to its query, as they are true here."""
        data, content_type = body_of(route)
        sent = {**headers, "Content-Type": content_type} if data else headers
        body = self._here(data.decode()) if data else ""
        target = target_of(route)
        target = self._here(f"{target}{'&' if '?' in target else '?'}{query}" if query else target)
        url = URL(f"{self.api}{target}", encoded=True)
        async with self.session.request(route.method, url, data=body or None, headers=sent) as response:
            text = "" if response.content_type == _STREAM else await response.text()
        said, data_told = f"{target} {body}", _PHRASE.sub("", text)
        told = tuple(name for name in self.names.values() if name in data_told and name not in said)
        return Heard(f"{route_id(route)} {query}".rstrip(), route.success, response.status, text, told)

    def learn(self, heard: Heard) -> None:
        """Take ids out of an answer that parameters have the name of: a task's, of the call that began it."""
        try:
            answer = json.loads(heard.text)
        except ValueError:  # rows, or nothing
            return
        for parameter in (each for route in ROUTES for each in route.parameters if each.example):
            if isinstance(answer, dict) and isinstance(answer.get(parameter.name), str):
                self.names.setdefault(str(parameter.example), answer[parameter.name])

    async def create(self, headers: Mapping[str, str]) -> None:
        """Call every route that creates something, in the order of the table, and learn how it is named."""
        for route in ROUTES:
            if route.location is None or route.whole:
                continue
            if route.operation is CREATE_ENDPOINT:
                await self._create_orchard(route, headers)
            answer = await self.call(route, headers)
            assert answer.status == route.success, f"{route_id(route)}: {answer}"
            created = json.loads(answer.text)
            for placeholder, told in route.location.takes.items():
                self.names.setdefault(_example_of(placeholder), str(created[told]))

    async def _create_orchard(self, route: Route, headers: Mapping[str, str]) -> None:
        tree = self.names[TREE]
        self.names[TREE] = self.names[ORCHARD]
        await self.call(route, headers)
        self.names[TREE] = tree

    def _here(self, text: str) -> str:
        for example, ours in self.names.items():
            text = text.replace(example, ours)
        return text


def _example_of(placeholder: str) -> str:
    """What the documentation has where a path has this placeholder."""
    return next(
        str(parameter.example)
        for route in ROUTES
        for parameter in route.parameters_in(Place.PATH)
        if parameter.name == placeholder
    )
