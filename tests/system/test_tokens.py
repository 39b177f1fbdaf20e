"""What operators do to tokens is felt by devices within a second, whatever happens to the bus meanwhile."""

import asyncio
import time

from tests.support.rest import Operator, Twin
from tests.support.stack import Stack
from tests.support.waiting import eventually

_FELT_S = 1.0


async def _answers(twin: Twin, status: int, *, within_s: float = _FELT_S) -> None:
    async def answered() -> bool:
        return (await twin.get()).status == status

    await eventually(answered, what=f"the device is answered {status}", deadline_s=within_s)


async def test_suspending_and_reactivating_is_felt_within_a_second(rest: Operator) -> None:
    twin = await rest.new_twin()
    await _answers(twin, 200)
    token = await rest.only_token(twin)

    for status, answer in (("Suspended", 403), ("Active", 200), ("Suspended", 403)):
        assert (await rest.set_status(twin, token, status)).status == 204
        await _answers(twin, answer)


async def test_revoked_token_never_returns(rest: Operator) -> None:
    twin = await rest.new_twin(endpointToken="stolen")
    await _answers(twin, 200)
    token = await rest.only_token(twin)

    assert (await rest.set_status(twin, token, "Revoked")).status == 204

    await _answers(twin, 403)
    back = await rest.set_status(twin, token, "Active")
    again = await rest.call(
        "POST",
        f"/cm/api/v1/endpoints/{twin.endpoint_id}/tokens",
        {"applicationName": twin.application, "token": "stolen"},
    )
    assert back.status == 409
    assert "Revoked" in back.body["message"]
    assert "Active" in back.body["message"]
    assert again.status == 409
    assert (await twin.get()).status == 403


async def test_reissued_token_keeps_id_and_metadata(rest: Operator) -> None:
    twin = await rest.new_twin(metadata={"planted": 1987})
    old = await rest.only_token(twin)
    tokens = f"/cm/api/v1/endpoints/{twin.endpoint_id}/tokens"

    created = await rest.done("POST", tokens, {"applicationName": twin.application})
    successor = rest.twin(twin.endpoint_id, created["token"], twin.app_version)

    assert (await successor.get()).body == {"planted": 1987}
    assert (await twin.get()).status == 200, "both tokens are valid during the rotation"
    await rest.done("DELETE", f"{tokens}/{old}")
    await _answers(twin, 401)
    assert (await successor.get()).status == 200


async def test_token_created_after_a_device_was_refused_works_at_once(rest: Operator) -> None:
    twin = await rest.new_twin()
    eager = rest.twin(twin.endpoint_id, "not-yet", twin.app_version)
    assert (await eager.get()).status == 401

    await rest.done(
        "POST",
        f"/cm/api/v1/endpoints/{twin.endpoint_id}/tokens",
        {"applicationName": twin.application, "token": "not-yet"},
    )

    await _answers(eager, 200)


async def test_same_state_again_changes_nothing_and_impossible_ones_name_both(rest: Operator) -> None:
    twin = await rest.new_twin()
    token = await rest.only_token(twin)

    same = await rest.set_status(twin, token, "Inactive")
    impossible = await rest.set_status(twin, token, "Suspended")

    assert same.status == 204
    assert impossible.status == 409
    assert "Inactive" in impossible.body["message"]
    assert "Suspended" in impossible.body["message"]


async def test_suspension_while_nats_restarts_is_felt_at_once_after_it_is_back(
    own_stack: Stack, own_rest: Operator
) -> None:
    twin = await own_rest.new_twin()
    await _answers(twin, 200)
    token = await own_rest.only_token(twin)

    await own_stack.kill("nats")
    async with asyncio.TaskGroup() as both:
        both.create_task(_suspend(own_rest, twin, token), name="suspend")
        both.create_task(own_stack.ready("nats"), name="nats is back")

    # The first answer of the transport after the suspension was confirmed, whatever its caches held.
    began = time.monotonic()
    await _answers(twin, 403, within_s=5)
    assert time.monotonic() - began < _FELT_S
    later = [(await twin.get()).status for _ in range(20)]
    assert later == [403] * 20


async def _suspend(rest: Operator, twin: Twin, token: str) -> None:
    async def accepted() -> bool:
        return (await rest.set_status(twin, token, "Suspended")).status == 204

    await eventually(accepted, what="the suspension is accepted", deadline_s=30)
