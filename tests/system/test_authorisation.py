"""Every route with every kind of key, against the owners themselves: nobody reaches another's application.

What the gateway lets through is the component test's; here is what the owners make of it. The examples of
all routes are made true in one application. Its own key succeeds with each, so that a refusal is about the
key and nothing else; every other key is refused, or is told nothing of it; and afterwards every reading
answers as before.
"""

import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
import pytest_asyncio

from libs.contracts.api_keys import Scope
from libs.contracts.endpoint_batches import GET_BATCH_STATUS
from libs.contracts.service_instances import GET_SERVICE_INSTANCE
from libs.contracts.time_series import READ_LAST
from services.api_gateway.routes import ROUTES, Route
from tests.support.api_gateway import refusal, route_id
from tests.support.example_grove import APPLICATION, ExampleGrove, Heard
from tests.support.rest import Operator, operator
from tests.support.stack import Stack
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEYS = "/auth/api/v1/api-keys"
ME = "/auth/api/v1/me"

REFUSED = {403, 404}
LET_IN = {409, 412}
"""What a call may meet that was let in and found what it is about, besides the success of its route."""


def _ends(route: Route) -> bool:
    """Whether something is gone afterwards; Kaa deletes many endpoints by POST."""
    return route.method == "DELETE" or route.path.endswith("/delete")


LIMITED = tuple(route for route in ROUTES if not route.whole and not route.from_caller)
READING = tuple(route for route in LIMITED if route.scope is Scope.READ)
ENDING = tuple(
    sorted(filter(_ends, LIMITED), key=lambda route: (route.method, -len(route.path)))  # what is inside first
)
OPEN = frozenset(route_id(route) for route in ROUTES if route.operation is GET_SERVICE_INSTANCE)
"""What is named in these paths belongs to no application."""
CHANGING = tuple(each for each in LIMITED if each not in READING + ENDING)

Headers = Mapping[str, str]

Answers = list[Heard]


@dataclass(frozen=True)
class Matrix:
    """What was answered to whom, by kind of key and route.

    Attributes:
        grove: The application all calls are about.
        insider: To its own key, with every scope.
        nobody: To callers without a valid key.
        unfit: To keys whose scope or limits do not reach so far, by the route's declaration.
        outsiders: To keys limited to another application.
        reader: To its key that may only read, of what needs no more.
        before: To readings, before anybody else called.
        after: To the same readings afterwards.
    """

    grove: ExampleGrove
    insider: Answers = field(default_factory=list)
    nobody: dict[str, Answers] = field(default_factory=dict)
    unfit: dict[str, Answers] = field(default_factory=dict)
    outsiders: dict[Scope, Answers] = field(default_factory=dict)
    reader: Answers = field(default_factory=list)
    before: Answers = field(default_factory=list)
    after: Answers = field(default_factory=list)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def matrix(suite: Stack) -> AsyncIterator[Matrix]:
    async with operator(suite) as rest, aiohttp.ClientSession() as session:
        found = Matrix(ExampleGrove(suite.api, session))
        inside, elsewhere = (found.grove.names[APPLICATION],), (f"figs{secrets.token_hex(4)}",)
        await rest.done("POST", "/tekton/api/v1/applications", {"name": elsewhere[0]})
        invalid = await _invalid(rest)
        own = await _key(rest, Scope.ADMIN, inside)
        await found.grove.create(await _key(rest, Scope.ADMIN, None))

        for route in CHANGING:
            found.insider.append(await found.grove.call(route, own))
            found.grove.learn(found.insider[-1])
        found.before.extend(await _settled(found.grove, own))
        for name, headers in invalid.items():
            found.nobody[name] = await _all(found.grove, ROUTES, headers)
        for scope in Scope:
            outsider = await _key(rest, scope, elsewhere)
            found.outsiders[scope] = await _all(found.grove, ROUTES, outsider)
            for limits in (None, inside):
                beyond = [each for each in ROUTES if refusal(each, scope, limited=limits is not None)]
                key = await _key(rest, scope, limits)
                found.unfit[f"{scope.value} {limits}"] = await _all(found.grove, beyond, key)
        reader = await _key(rest, Scope.READ, inside)
        found.reader.extend(await _all(found.grove, READING, reader))
        found.after.extend(await _all(found.grove, READING, own))
        found.insider.extend(await _all(found.grove, ENDING, own))
        yield found


async def _all(grove: ExampleGrove, routes: Iterable[Route], headers: Headers) -> Answers:
    """Call routes with their examples, and again with each filter that would name what is there."""
    return [
        await grove.call(route, headers, query=query)
        for route in routes
        for query in ("", *grove.filters(route))
    ]


async def _settled(grove: ExampleGrove, headers: Headers) -> Answers:
    """Read all, once it shows what was written: points count a second later, tasks go on by themselves."""

    points = [route for route in READING if route.operation is READ_LAST]
    tasks = [route for route in ROUTES if route.operation is GET_BATCH_STATUS]

    async def settled() -> Answers:
        shown = all(heard.text != "{}" for heard in await _all(grove, points, headers))
        shown = shown and all('"DONE"' in heard.text for heard in await _all(grove, tasks, headers))
        first = await _all(grove, READING, headers)
        again = await _all(grove, READING, headers)
        return again if shown and first == again else []

    return await eventually(settled, what="all that was written is read", deadline_s=20)


async def _key(rest: Operator, scope: Scope, limits: tuple[str, ...] | None, **more: str) -> Headers:
    body = {"name": "matrix", "scope": scope.value, "applications": limits, **more}
    return {"Authorization": f"Bearer {(await rest.done('POST', KEYS, body))['key']}"}


async def _invalid(rest: Operator) -> dict[str, Headers]:
    """Headers of callers who are nobody; the keys among them were once good for everything."""
    soon = (datetime.now(UTC) + timedelta(seconds=0.5)).isoformat()
    created = await rest.done("POST", KEYS, {"name": "leaked", "scope": "admin"})
    expiring = await _key(rest, Scope.ADMIN, None, expiryDate=soon)
    leaked = {"Authorization": f"Bearer {created['key']}"}
    for key in (expiring, leaked):
        assert (await rest.call("GET", ME, **key)).status == 200
    await rest.done("DELETE", f"{KEYS}/{created['apiKeyId']}")
    for key in (expiring, leaked):

        async def refused(headers: Headers = key) -> bool:
            return (await rest.call("GET", ME, **headers)).status == 401

        await eventually(refused, what="the key is refused", deadline_s=5.0)
    return {
        "no key": {},
        "wrong key": {"Authorization": "Bearer wrong"},
        "malformed": {"Authorization": created["key"]},
        "revoked": leaked,
        "expired": expiring,
    }


async def test_the_applications_own_key_succeeds_with_every_example(matrix: Matrix) -> None:
    """The control: without it a refusal could be about a name that nobody has."""
    found = matrix.before + matrix.insider

    assert {heard.route for heard in found} >= {route_id(route) for route in LIMITED}
    assert [heard for heard in found if heard.status not in {heard.success, *LET_IN}] == []


async def test_nobody_without_a_valid_key_is_let_in(matrix: Matrix) -> None:
    for kind, answers in matrix.nobody.items():
        assert [heard for heard in answers if heard.status != 401] == [], kind


async def test_a_key_whose_scope_or_limits_do_not_reach_is_refused(matrix: Matrix) -> None:
    assert sum(map(len, matrix.unfit.values())) > len(ROUTES)
    for kind, answers in matrix.unfit.items():
        assert [heard for heard in answers if heard.status != 403] == [], kind


async def test_a_key_limited_to_another_application_is_refused_or_told_nothing(matrix: Matrix) -> None:
    for scope, answers in matrix.outsiders.items():
        let_in = [heard for heard in answers if heard.status not in REFUSED]

        assert [heard for heard in let_in if heard.status != heard.success or heard.told] == [], scope
        named = [heard for heard in let_in if "{" in heard.route and heard.route not in OPEN]
        assert named == [], scope


async def test_a_reading_key_reads_all_that_needs_only_read(matrix: Matrix) -> None:
    assert [heard for heard in matrix.reader if heard.status != heard.success] == []


async def test_nothing_of_what_was_refused_or_only_read_has_had_an_effect(matrix: Matrix) -> None:
    pairs = zip(matrix.before, matrix.after, strict=True)

    changed = [(before, after) for before, after in pairs if before != after]
    assert not changed, "\n".join(f"{one.route}\n  was {one}\n  is  {other}" for one, other in changed)
