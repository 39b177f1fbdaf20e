"""How long the gateway waits, and for how many."""

import asyncio

from libs.contracts import applications
from libs.contracts.applications import EmptyReply
from tests.component.api_gateway.conftest import Gateway
from tests.component.api_gateway.owners import ADMIN
from tests.support.waiting import eventually

APPLICATIONS = "/tekton/api/v1/applications"


async def test_a_silent_owner_is_504(impatient_gateway: Gateway) -> None:
    async def silence(_request: object) -> EmptyReply:
        await asyncio.sleep(30)
        return EmptyReply()

    impatient_gateway.owners.on(applications.LIST_APPLICATIONS, silence)

    answer = await impatient_gateway.call("GET", APPLICATIONS)

    assert (answer.status, answer.message) == (504, "the service did not answer in time")


async def test_an_absent_owner_is_503_with_retry_after(impatient_gateway: Gateway) -> None:
    await impatient_gateway.call("GET", APPLICATIONS)
    await impatient_gateway.owners.leave()

    answer = await impatient_gateway.call("GET", APPLICATIONS)

    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")


async def test_more_requests_than_allowed_are_told_503_at_once(impatient_gateway: Gateway) -> None:
    let_go = asyncio.Event()

    async def wait(_request: object) -> EmptyReply:
        await let_go.wait()
        return EmptyReply()

    impatient_gateway.owners.on(applications.DELETE_APPLICATION, wait)
    async with asyncio.TaskGroup() as group:
        patient = [
            group.create_task(impatient_gateway.call("DELETE", f"{APPLICATIONS}/{name}"), name=name)
            for name in ("olives", "figs")
        ]

        async def both_are_waiting() -> bool:
            return len(impatient_gateway.owners.asked) == 2

        await eventually(both_are_waiting, what="two requests wait")
        answer = await impatient_gateway.call("GET", APPLICATIONS)
        let_go.set()

    assert (answer.status, answer.message) == (503, "too many requests at the same time")
    assert [each.result().status for each in patient] == [204, 204]


async def test_deleting_with_force_may_take_longer_than_other_calls(impatient_gateway: Gateway) -> None:
    async def slow(_request: object) -> EmptyReply:
        await asyncio.sleep(0.5)
        return EmptyReply()

    impatient_gateway.owners.on(applications.DELETE_APPLICATION, slow)

    assert (await impatient_gateway.call("DELETE", f"{APPLICATIONS}/olives?force=true")).status == 204


async def test_a_body_that_does_not_arrive_is_408(impatient_gateway: Gateway) -> None:
    answer = await impatient_gateway.raw(
        f"POST {APPLICATIONS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\n"
        "Content-Length: 100\r\n\r\n{".encode()
    )

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert answer.endswith(b'{"message":"the body did not arrive within 0.2 s"}')
