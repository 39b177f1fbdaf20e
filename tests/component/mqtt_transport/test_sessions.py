"""Sessions: what outlives a connection, and whose it is (protocol/delivery.md rules 1 and 27)."""

import asyncio

import pytest

from tests.component.mqtt_transport.conftest import StartTransport, Transport
from tests.support.mqtt_packets import V3_1_1, V5, Connect, Received, ack, long, publish
from tests.support.mqtt_raw import Raw, raw_client
from tests.support.waiting import eventually

_CONNACK, _PUBACK = 2, 4
_EXPIRY = 0x11


def kept(version: int, client_id: str = "board") -> Connect:
    """A CONNECT of a client whose session outlives its connection."""
    values = [(_EXPIRY, long(60))] if version == V5 else []
    return Connect(version=version, client_id=client_id, clean=False, properties=values)


def session_present(connack: Received) -> bool:
    return bool(connack.body[0] & 1)


async def asked_and_vanished(transport: Transport, token: str, version: int) -> None:
    """Let a board ask, see its answer and vanish without acknowledging it."""
    async with raw_client(transport.port, version=version) as board:
        await board.connect(kept(version))
        topic = transport.topic(token, "get/1")
        await board.send(publish(topic, b"mine", version=version, qos=1, packet_id=5))
        assert (await board.answer()).payload == b"mine"
        board.abort()

    async def gone() -> bool:
        return transport.gauge("grove_mqtt_sessions") == 1

    await eventually(gone, what="the session is kept")


async def speak(board: Raw, topic: str, payload: bytes) -> list[bytes]:
    """Ask, and return the payloads of everything that comes up to the answer."""
    await board.send(publish(topic, payload, version=board.version, qos=1, packet_id=9))
    told = []
    while payload not in told:
        answer = await board.answer()
        await board.send(ack(_PUBACK, answer.packet_id))
        told.append(answer.payload)
    return told


@pytest.mark.parametrize("version", [V3_1_1, V5], ids=["3.1.1", "5.0"])
async def test_an_answer_that_was_not_acknowledged_comes_again_once_the_token_is_shown(
    transport: Transport, version: int
) -> None:
    token = transport.owners.new_token()
    await asked_and_vanished(transport, token, version)

    async with raw_client(transport.port, version=version) as board:
        present = session_present(await board.connect(kept(version)))
        told = await speak(board, transport.topic(token, "get/2"), b"new")

    assert present
    assert sorted(told) == [b"mine", b"new"]


async def test_two_boards_with_one_client_id_never_get_each_others_answers(transport: Transport) -> None:
    first = transport.owners.new_token(endpoint_id="first")
    second = transport.owners.new_token(endpoint_id="second")
    await asked_and_vanished(transport, first, V3_1_1)

    async with raw_client(transport.port) as board:
        present = session_present(await board.connect(kept(V3_1_1)))
        told = await speak(board, transport.topic(second, "get/2"), b"other")
        told += await speak(board, transport.topic(second, "get/3"), b"again")

    assert present
    assert told == [b"other", b"again"]


async def test_a_clean_session_forgets_what_was_kept(transport: Transport) -> None:
    token = transport.owners.new_token()
    await asked_and_vanished(transport, token, V3_1_1)

    async with raw_client(transport.port) as board:
        present = session_present(await board.connect(Connect(client_id="board", clean=True)))
        told = await speak(board, transport.topic(token, "get/2"), b"new")

    assert not present
    assert told == [b"new"]


async def test_a_session_is_forgotten_when_its_time_is_over(start: StartTransport) -> None:
    transport = await start(session_expiry_s=0)

    async with raw_client(transport.port) as board:
        await board.connect(kept(V3_1_1))
    async with raw_client(transport.port) as board:
        present = session_present(await board.connect(kept(V3_1_1)))

    assert not present


async def test_a_message_of_qos_2_that_is_sent_again_over_a_new_connection_is_done_once(
    transport: Transport,
) -> None:
    token = transport.owners.new_token()
    message = publish(transport.topic(token, "update/keys"), b"once", qos=2, packet_id=7)
    again = publish(transport.topic(token, "update/keys"), b"once", qos=2, packet_id=7, flags=8)

    async with raw_client(transport.port) as board:
        await board.connect(kept(V3_1_1))
        await board.send(message)
        assert (await board.packet()).kind == 5
    async with raw_client(transport.port) as board:
        await board.connect(kept(V3_1_1))
        await board.send(again)
        received = await board.packet()
        await board.send(ack(6, 7))
        completed = await board.packet()

    assert (received.kind, received.packet_id) == (5, 7)
    assert (completed.kind, completed.packet_id) == (7, 7)
    assert [request.payload for request in transport.owners.received] == [b"once"]


async def test_no_answer_reaches_a_connection_that_did_not_ask(start: StartTransport) -> None:
    """Rule 1: devices vanish with answers outstanding, and others connect in their place."""
    before = await start()
    before.owners.release.clear()
    tokens = [before.owners.new_token(endpoint_id=f"ep{number}") for number in range(100)]
    for number, token in enumerate(tokens):
        async with raw_client(before.port) as board:
            await board.connect(Connect(client_id=f"board{number}"))
            await board.send(publish(before.topic(token, "get/1"), b"secret", qos=0))

            async def asked(count: int = number + 1) -> bool:
                return len(before.owners.received) == count

            await eventually(asked, what="the owner was asked")

    strangers: list[Received] = []

    async def listen(number: int) -> None:
        async with raw_client(before.port) as stranger:
            strangers.append(await stranger.connect(Connect(client_id=f"stranger{number}")))
            await stranger.send(b"\xc0\x00")
            strangers.append(await stranger.packet())

    async with asyncio.TaskGroup() as group:
        for number in range(500):
            group.create_task(listen(number))
            if number == 250:
                before.owners.release.set()

    assert {received.kind for received in strangers} == {_CONNACK, 13}
    assert before.gauge("grove_mqtt_dropped_total", reason="client is gone") >= 100


async def test_a_client_id_that_connects_again_takes_the_older_connection_over(transport: Transport) -> None:
    token = transport.owners.new_token()

    async with raw_client(transport.port, version=V5) as old, raw_client(transport.port, version=V5) as new:
        await old.connect(kept(V5, "tree"))
        present = session_present(await new.connect(kept(V5, "tree")))
        goodbye = await old.packet()
        await old.closed()
        told = await speak(new, transport.topic(token, "get/1"), b"still here")

    assert present
    assert (goodbye.kind, goodbye.code) == (14, 0x8E)
    assert told == [b"still here"]
