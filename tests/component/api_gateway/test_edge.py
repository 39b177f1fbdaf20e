"""What every answer has, and what a request leaves behind."""

import re
from datetime import UTC, datetime
from typing import NoReturn

import pytest
import structlog.testing
from aiohttp.test_utils import TestClient, TestServer

from libs.bus.token_buckets import Buckets
from libs.contracts.api_keys import ApiKey, Scope
from services.api_gateway.auditing import Auditing, Trail
from services.api_gateway.http_api import Limits, RestApi, World
from services.api_gateway.live.following import Pace
from services.api_gateway.live.streams import LiveLimits, LiveStreams
from services.api_gateway.routes import ROUTES
from tests.component.api_gateway.conftest import Gateway
from tests.component.api_gateway.owners import key_of
from tests.support.live_events import FakeEvents

pytestmark = pytest.mark.asyncio(loop_scope="module")

APPLICATIONS = "/tekton/api/v1/applications"


@pytest.mark.parametrize("target", [APPLICATIONS, "/", "/docs", "/nothing", "/health"])
async def test_every_answer_carries_the_callers_correlation_id(shared_gateway: Gateway, target: str) -> None:
    answer = await shared_gateway.call("GET", target, headers={"Correlation-ID": "c9k2v7-4:1"})

    assert answer.headers["Correlation-ID"] == "c9k2v7-4:1"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Server" not in answer.headers


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(None, id="none"),
        pytest.param("x" * 200, id="long"),
        pytest.param("a b", id="spaces"),
        pytest.param('"quoted"', id="quotes"),
        pytest.param("öl", id="not ASCII"),
        pytest.param("{}", id="braces"),
    ],
)
async def test_a_correlation_id_that_is_not_sane_is_replaced(
    shared_gateway: Gateway, given: str | None
) -> None:
    answer = await shared_gateway.call("GET", "/health", headers={"Correlation-ID": given} if given else {})

    assert re.fullmatch("[0-9a-f]{16}", answer.headers["Correlation-ID"])


async def test_the_owner_gets_the_correlation_id(shared_gateway: Gateway) -> None:
    await shared_gateway.call("GET", APPLICATIONS, headers={"Correlation-ID": "mine"})

    (asked,) = shared_gateway.owners.asked
    assert asked.correlation_id == "mine"


async def test_a_request_is_one_log_line(shared_gateway: Gateway) -> None:
    with structlog.testing.capture_logs() as lines:
        await shared_gateway.call("GET", f"{APPLICATIONS}/olives?x=1", headers={"Correlation-ID": "mine"})

    (line,) = [each for each in lines if each["event"] == "request" and "route" in each]
    assert line["route"] == "/tekton/api/v1/applications/{applicationName}"
    assert (line["method"], line["status"], line["api_key_id"]) == ("GET", 400, "admin-key")
    assert line["duration_ms"] >= 0


async def test_requests_are_counted_by_template_and_unknown_ones_together(shared_gateway: Gateway) -> None:
    await shared_gateway.call("GET", f"{APPLICATIONS}/one-of-many")
    await shared_gateway.call("PURGE", "/one/of/very/many")

    metrics = await shared_gateway.metrics()

    assert (
        'grove_api_requests_total{method="GET",'
        'route="/tekton/api/v1/applications/{applicationName}",status="200"}' in metrics
    )
    assert 'grove_api_requests_total{method="other",route="none",status="404"}' in metrics
    assert "one-of-many" not in metrics


async def test_answers_with_data_are_not_stored_on_the_way(shared_gateway: Gateway) -> None:
    listed = await shared_gateway.call("GET", APPLICATIONS)
    tagged = await shared_gateway.call("GET", "/epr/api/v1/endpoints/tree-17/metadata")

    assert listed.headers["Cache-Control"] == "no-store"
    assert tagged.headers["Cache-Control"] == "private, no-cache"


class Buggy(FakeEvents):
    """Owners, keys and clock with a bug each."""

    async def ask(self, *_: object, **__: object) -> NoReturn:
        raise ZeroDivisionError("a detail of ours")

    async def store(self, *_: object, **__: object) -> NoReturn:
        raise ZeroDivisionError("a detail of ours")

    async def check(self, _key: str) -> ApiKey:
        return key_of(Scope.ADMIN)

    def now(self) -> datetime:
        return datetime.now(UTC)


async def test_a_bug_of_the_gateway_is_500_and_its_details_are_in_the_log_alone() -> None:
    buggy = Buggy()
    live = LiveStreams(buggy, limits=LiveLimits(streams=1, per_key=1), pace=Pace())
    world = World(
        owners=buggy,
        keys=buggy,
        clock=buggy,
        buckets=Buckets(rate=0, burst=1),
        live=live,
        auditing=Auditing(Trail(buggy, patience_s=1.0), clock=buggy),
        new_correlation_id=lambda: "c1",
    )
    app = RestApi(ROUTES, world=world, limits=Limits(body_timeout_s=1.0, max_in_flight=9)).app()
    async with TestClient(TestServer(app)) as client:
        with structlog.testing.capture_logs() as lines:
            response = await client.get(APPLICATIONS, headers={"Authorization": "Bearer any"})
            body = await response.json()

    failed, line = lines
    assert (response.status, body) == (500, {"message": "Internal Server Error"})
    assert response.headers["Correlation-ID"] == "c1"
    assert isinstance(failed["exc_info"], ZeroDivisionError)
    assert (line["event"], line["status"]) == ("request", 500)
