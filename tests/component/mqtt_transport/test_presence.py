"""Who is connected, as other services hear it, and pushes to whoever is."""

import asyncio

import pytest

from libs.contracts.connectivity import ConnectedEvent
from libs.contracts.pushes import DeliveredReply, DeliveredReport, Push, delivered_operation
from libs.contracts.tokens import TokenStatus
from tests.component.mqtt_transport.conftest import StartTransport, Transport
from tests.support.mqtt_device import Device, device
from tests.support.owners import VERSION
from tests.support.waiting import eventually


class Cex:
    """Whoever pushed, waiting to hear that it arrived."""

    def __init__(self, transport: Transport) -> None:
        self.confirmed: list[DeliveredReport] = []
        self._bus = transport.pusher

    async def serve(self) -> None:
        operation = delivered_operation("cex")
        await self._bus.serve(
            operation.subject(self._bus.subjects), DeliveredReport, self._delivered, queue="cex"
        )

    async def _delivered(self, report: DeliveredReport) -> DeliveredReply:
        self.confirmed.append(report)
        return DeliveredReply()


async def bound(transport: Transport, endpoint_id: str, count: int = 1) -> None:
    """Wait until an endpoint was announced so many times."""

    async def announced() -> bool:
        return sum(endpoint_id in event.endpoints for event in transport.connected) >= count

    await eventually(announced, what=f"{endpoint_id} is announced {count} times")


async def generation_of(transport: Transport, endpoint_id: str) -> str:
    """Ask the stream, as whoever pushes learns it: where the newest announcement of an endpoint is stored."""
    stream = await transport.events_of("connected")
    return [place for place, event in stream if endpoint_id in event.endpoints][-1]


def command(endpoint_id: str, generation: str, *, qos: int = 1, confirm_to: str = "") -> Push:
    return Push(
        endpoint_id=endpoint_id,
        generation=generation,
        extension="cex",
        resource="/command/reboot",
        payload=b'[{"id":1}]',
        qos=qos,
        push_id="p1",
        confirm_to=confirm_to,
    )


async def test_an_endpoint_that_speaks_is_announced_and_its_end_too(transport: Transport) -> None:
    token = transport.owners.new_token()

    await transport.with_device(lambda device: device.ask(transport.topic(token, "get/0")))

    async def gone() -> bool:
        return bool(transport.disconnected)

    await eventually(gone, what="its end is announced")
    (connected,), (disconnected,) = transport.connected, transport.disconnected
    assert (connected.endpoints, connected.run_id) == ({"ep": VERSION}, transport.run_id)
    assert disconnected.endpoints == {"ep": VERSION}
    assert disconnected.generations == {"ep": await generation_of(transport, "ep")}


async def test_a_push_reaches_a_device_that_never_subscribed_and_is_confirmed(transport: Transport) -> None:
    cex = Cex(transport)
    await cex.serve()
    token = transport.owners.new_token()
    loop = asyncio.get_running_loop()

    def use(tree: Device) -> tuple[str, bytes]:
        tree.ask(transport.topic(token, "get/0"))
        push = asyncio.run_coroutine_threadsafe(push_now(), loop).result(10)
        assert push
        return tree.told()

    async def push_now() -> bool:
        await bound(transport, "ep")
        generation = await generation_of(transport, "ep")
        return await transport.push(command("ep", generation, confirm_to="cex"))

    told = await transport.with_device(use)

    async def confirmed() -> bool:
        return bool(cex.confirmed)

    await eventually(confirmed, what="the push is confirmed")
    assert told == (f"kp1/{VERSION}/cex/{token}/command/reboot/status", b'[{"id":1}]')
    assert [each.push_id for each in cex.confirmed] == ["p1"]


async def test_a_push_for_another_binding_is_not_here(transport: Transport) -> None:
    token = transport.owners.new_token()
    loop = asyncio.get_running_loop()

    def use(tree: Device) -> bool:
        tree.ask(transport.topic(token, "get/0"))
        taken = asyncio.run_coroutine_threadsafe(push_now(), loop).result(10)
        return taken or not tree.silent()

    async def push_now() -> bool:
        await bound(transport, "ep")
        older = await transport.push(command("ep", "000000000000-0000000000000001"))
        stranger = await transport.push(command("stranger", await generation_of(transport, "ep")))
        return older or stranger

    assert not await transport.with_device(use)


async def test_a_suspended_token_is_not_pushed_to_and_counts_as_gone(transport: Transport) -> None:
    token = transport.owners.new_token()
    loop = asyncio.get_running_loop()

    def use(tree: Device) -> bool:
        tree.ask(transport.topic(token, "get/0"))
        return asyncio.run_coroutine_threadsafe(push_now(), loop).result(10)

    async def push_now() -> bool:
        await bound(transport, "ep")
        generation = await generation_of(transport, "ep")
        await transport.owners.suspend(token)

        async def ended() -> bool:
            return any(each.generations == {"ep": generation} for each in transport.disconnected)

        await eventually(ended, what="the binding ended")
        return await transport.push(command("ep", generation))

    assert not await transport.with_device(use)


async def test_a_live_connection_feels_a_suspension_within_a_second(transport: Transport) -> None:
    token = transport.owners.new_token()
    loop = asyncio.get_running_loop()

    def use(tree: Device) -> list[str]:
        told = [tree.ask(transport.topic(token, "get/0"))[0]]
        asyncio.run_coroutine_threadsafe(transport.owners.suspend(token), loop).result(5)
        told.append(tree.ask(transport.topic(token, "get/1"))[0])
        asyncio.run_coroutine_threadsafe(transport.owners.move(token, TokenStatus.ACTIVE), loop).result(5)
        told.append(tree.ask(transport.topic(token, "get/2"))[0])
        return [topic.rpartition("/")[2] for topic in told]

    assert await transport.with_device(use) == ["status", "error", "status"]


async def test_a_device_that_only_subscribes_is_bound(transport: Transport) -> None:
    token = transport.owners.new_token()
    loop = asyncio.get_running_loop()

    def use(tree: Device) -> None:
        tree.client.subscribe(f"kp1/{VERSION}/cex/{token}/command/+/status", qos=1)
        asyncio.run_coroutine_threadsafe(bound(transport, "ep"), loop).result(10)

    await transport.with_device(use)


async def test_one_connection_speaks_for_500_endpoints(transport: Transport) -> None:
    tokens = [transport.owners.new_token(endpoint_id=f"ep{number}") for number in range(500)]
    loop = asyncio.get_running_loop()

    async def all_there() -> bool:
        return sum(len(event.endpoints) for event in transport.connected) == len(tokens)

    async def all_gone() -> bool:
        return sum(len(event.endpoints) for event in transport.disconnected) == len(tokens)

    def use(gateway: Device) -> set[str]:
        for number, token in enumerate(tokens):
            gateway.request(transport.topic(token, f"get/{number}"), b"{}")
        told = {gateway.answer(within_s=20).topic for _ in tokens}
        # Who leaves before it was announced is not announced as gone either.
        announced = eventually(all_there, what="all 500 are announced", deadline_s=20)
        asyncio.run_coroutine_threadsafe(announced, loop).result(30)
        return told

    told = await transport.with_device(use)

    await eventually(all_gone, what="all 500 are announced as gone")
    assert told == {f"{transport.topic(token, f'get/{n}')}/status" for n, token in enumerate(tokens)}
    assert len(transport.connected) < 100


async def test_only_the_last_connection_an_endpoint_spoke_on_hears_pushes(transport: Transport) -> None:
    token = transport.owners.new_token()
    loop = asyncio.get_running_loop()

    def use(first: Device) -> tuple[bool, bool]:
        first.ask(transport.topic(token, "get/0"))
        asyncio.run_coroutine_threadsafe(bound(transport, "ep"), loop).result(10)
        with device(transport.port) as second:
            second.ask(transport.topic(token, "get/1"))
            asyncio.run_coroutine_threadsafe(bound(transport, "ep", 2), loop).result(10)
            assert asyncio.run_coroutine_threadsafe(push_now(), loop).result(10)
            second.told()
            return first.silent(), second.silent()

    async def push_now() -> bool:
        return await transport.push(command("ep", await generation_of(transport, "ep")))

    assert await transport.with_device(use) == (True, True)


async def test_an_endpoint_that_moves_to_another_replica_and_back_is_announced_each_time(
    start: StartTransport,
) -> None:
    here = await start()
    token = here.owners.new_token()
    loop = asyncio.get_running_loop()

    async def announced_elsewhere() -> None:
        await bound(here, "ep")
        event = ConnectedEvent(endpoints={"ep": VERSION}, run_id="another")
        subject = here.pusher.subjects.event("mqtt-transport", "endpoint", "connectivity", "connected")
        await here.pusher.announce(subject, event, msg_id="another-1")
        await bound(here, "ep", 2)

    def use(tree: Device) -> None:
        tree.ask(here.topic(token, "get/0"))
        asyncio.run_coroutine_threadsafe(announced_elsewhere(), loop).result(10)
        tree.ask(here.topic(token, "get/1"))
        asyncio.run_coroutine_threadsafe(bound(here, "ep", 3), loop).result(10)

    await here.with_device(use)

    assert [event.run_id for event in here.connected] == [here.run_id, "another", here.run_id]


async def test_being_seen_and_being_alive_are_reported(transport: Transport) -> None:
    token = transport.owners.new_token()
    await transport.with_device(lambda tree: tree.ask(transport.topic(token, "get/0")))

    transport.process.stop("to hear its last report")

    async def reported() -> bool:
        return transport.owners.alive[transport.run_id].leaving and "ep" in transport.owners.seen

    await eventually(reported, what="the last report")
    assert transport.owners.seen["ep"] == ("MQTT", VERSION)


@pytest.mark.parametrize("qos", [0, 1])
async def test_pushes_come_with_the_qos_they_were_given(transport: Transport, qos: int) -> None:
    token = transport.owners.new_token()
    loop = asyncio.get_running_loop()

    def use(tree: Device) -> int:
        tree.ask(transport.topic(token, "get/0"))
        assert asyncio.run_coroutine_threadsafe(push_now(), loop).result(10)
        return tree.answer().qos

    async def push_now() -> bool:
        await bound(transport, "ep")
        return await transport.push(command("ep", await generation_of(transport, "ep"), qos=qos))

    assert await transport.with_device(use) == qos
