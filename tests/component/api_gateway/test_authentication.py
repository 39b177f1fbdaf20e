"""How long a key is remembered, and how soon a revoked one is refused."""

import asyncio
from pathlib import Path

import structlog.testing

from libs.bus import Bus
from libs.contracts.api_keys import Scope
from tests.component.api_gateway.conftest import Gateway, running_gateway
from tests.component.api_gateway.owners import ADMIN, Owners
from tests.support.servers import running_nats
from tests.support.waiting import eventually

APPLICATIONS = "/tekton/api/v1/applications"


async def test_a_key_is_asked_for_once(gateway: Gateway) -> None:
    await asyncio.gather(*(gateway.call("GET", APPLICATIONS) for _ in range(20)))

    assert gateway.owners.keys.checks == 1


async def test_a_revoked_key_is_refused_within_a_second_although_it_was_remembered(gateway: Gateway) -> None:
    gateway.owners.keys.add("leaked", Scope.WRITE)
    assert (await gateway.call("GET", APPLICATIONS, key="leaked")).status == 200

    await gateway.owners.keys.revoke("leaked")

    async def refused() -> bool:
        return (await gateway.call("GET", APPLICATIONS, key="leaked")).status == 401

    await eventually(refused, what="the key is refused", deadline_s=1.0)


async def test_a_remembered_key_is_refused_when_its_time_is_over(gateway: Gateway) -> None:
    clock = gateway.owners.keys
    clock.add("short-lived", Scope.READ, expiry_date=clock.in_seconds(1.0))
    assert (await gateway.call("GET", APPLICATIONS, key="short-lived")).status == 200

    async def refused() -> str | None:
        answer = await gateway.call("GET", APPLICATIONS, key="short-lived")
        return answer.message if answer.status == 401 else None

    message = await eventually(refused, what="the key has expired", deadline_s=5.0)

    assert message == "the API key has expired"
    assert clock.checks == 1


async def test_a_key_revoked_while_nats_restarts_is_refused_at_once_afterwards(tmp_path: Path) -> None:
    hurry = {"GROVE_API_GATEWAY_OWNER_TIMEOUT_S": "0.5"}
    async with running_nats(tmp_path) as nats:
        bus = await Bus.connect(url=nats.url, service="owners", replica="owners-1")
        owners = Owners(bus)
        await owners.start()
        async with running_gateway(nats.url_for("api-gateway"), owners, hurry) as gateway:
            owners.keys.add("leaked", Scope.READ)
            assert (await gateway.call("GET", APPLICATIONS, key="leaked")).status == 200

            await nats.kill()
            del owners.keys.known["leaked"]
            away = await gateway.call("GET", APPLICATIONS, key="leaked")
            await nats.start()

            async def healed() -> bool:
                return (await gateway.call("GET", APPLICATIONS)).status == 200

            await eventually(healed, what="the gateway works again", deadline_s=20)
            answer = await gateway.call("GET", APPLICATIONS, key="leaked")
        await bus.close()

    assert (away.status, away.headers["Retry-After"]) == (503, "1")
    assert answer.status == 401


async def test_no_key_is_ever_logged(gateway: Gateway) -> None:
    with structlog.testing.capture_logs() as lines:
        await gateway.call("GET", APPLICATIONS)
        await gateway.call("GET", APPLICATIONS, key="wrong-key-with-a-secret")
        await gateway.call("GET", f"/nothing/{ADMIN}")

    assert any(line["event"] == "request" and line.get("api_key_id") == "admin-key" for line in lines)
    assert ADMIN not in str(lines)
    assert "wrong-key-with-a-secret" not in str(lines)
