"""Telemetry over HTTP: 200 when the stream has it; KP1 and SenML packs of KPN Things devices."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats as nats_py
import pytest

from libs.bus import Bus
from libs.contracts.ingest import IngestMessage
from libs.contracts.senml import message_token
from libs.contracts.streams import ingest_stream
from tests.component.http_transport.conftest import Answered, StartTransport, Transport
from tests.support.owners import VERSION
from tests.support.servers import NatsServer
from tests.support.things import DVN, SECRET, Others, pack
from tests.support.waiting import eventually

PATH = "/ingestion/ip/senml/v1"


@pytest.fixture
async def others(transport: Transport, nats: NatsServer) -> AsyncIterator[Others]:
    root = transport.process.settings.subject_root
    bus = await Bus.connect(url=nats.url, service="data-collection", replica="data-collection-1", root=root)
    others = Others(bus)
    await others.serve()
    await others.collector.keep()
    yield others
    name = ingest_stream(bus.subjects).name
    await bus.close()
    client = await nats_py.connect(nats.url)
    await client.jetstream().delete_stream(name)
    await client.close()


@asynccontextmanager
async def draining(others: Others) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(others.collector.drain())
        yield
        task.cancel()


async def collected(others: Others, count: int) -> list[IngestMessage]:
    async def enough() -> bool:
        return len(others.collector.messages) >= count

    async with draining(others):
        await eventually(enough, what=f"{count} messages are in the stream")
    return others.collector.messages


async def test_what_is_answered_200_is_in_the_stream(transport: Transport, others: Others) -> None:
    token = transport.owners.new_token()

    answers = [
        await transport.call(f"/kp1/{VERSION}/dcx/{token}/{resource}", body)
        for resource, body in (("json", b'{"temperature": 21}'), ("json/7", b"[1,2]"), ("plain/tank", b"47%"))
    ]

    assert [(answer.status, answer.body) for answer in answers] == [(200, b"")] * 3
    messages = await collected(others, 3)
    assert [(message.resource, message.payload) for message in messages] == [
        ("/json", b'{"temperature": 21}'),
        ("/json", b"[1,2]"),
        ("/plain/tank", b"47%"),
    ]


async def test_a_hundred_devices_at_once_share_batches(transport: Transport, others: Others) -> None:
    tokens = [transport.owners.new_token(endpoint_id=f"ep{number}") for number in range(100)]

    answers = await asyncio.gather(
        *(transport.call(f"/kp1/{VERSION}/dcx/{token}/json", b"1") for token in tokens)
    )

    assert {answer.status for answer in answers} == {200}
    assert {message.endpoint_id for message in await collected(others, 100)} == {
        f"ep{number}" for number in range(100)
    }


@pytest.mark.parametrize(
    ("resource", "body", "status"),
    [
        ("json", b"{", 400),
        ("json", b"1e400", 400),
        ("plain/x", b"wet", 400),
        ("xml", b"1", 404),
        ("plain/a/b", b"1", 404),
    ],
)
async def test_what_may_not_be_stored_is_refused_and_enters_no_batch(
    transport: Transport, others: Others, resource: str, body: bytes, status: int
) -> None:
    token = transport.owners.new_token()

    refused = await transport.call(f"/kp1/{VERSION}/dcx/{token}/{resource}", body)
    await transport.call(f"/kp1/{VERSION}/dcx/{token}/json", b"2")

    assert refused.status == status
    assert json.loads(refused.body)["statusCode"] == status
    assert [message.payload for message in await collected(others, 1)] == [b"2"]


@pytest.mark.parametrize(
    "transport", [{"min_free_percent": 95.0}], ids=["a disk that is nearly full"], indirect=True
)
async def test_while_the_disk_is_nearly_full_it_is_a_503_at_once(
    transport: Transport, others: Others
) -> None:
    token = transport.owners.new_token()

    async def refused() -> Answered | None:
        answer = await transport.call(f"/kp1/{VERSION}/dcx/{token}/json", b"1")
        return answer if answer.status == 503 else None

    answer = await eventually(refused, what="the disk was looked at")
    assert answer is not None
    assert "disk" in json.loads(answer.body)["reasonPhrase"]
    assert "Retry-After" in answer.headers
    assert (await transport.call(f"/kp1/{VERSION}/epmx/{token}/get")).status == 200


async def test_without_a_stream_it_is_a_503(start: StartTransport) -> None:
    transport = await start(durable_s=0.3)
    token = transport.owners.new_token()

    answer = await transport.call(f"/kp1/{VERSION}/dcx/{token}/json", b"1")

    assert answer.status == 503
    assert "Retry-After" in answer.headers


@pytest.mark.parametrize(
    "transport", [{"endpoint_samples_per_s": 10, "endpoint_burst": 20}], ids=["10 samples/s"], indirect=True
)
async def test_an_endpoint_over_its_rate_is_told_when_to_come_back_and_others_are_served(
    transport: Transport, others: Others
) -> None:
    greedy, modest = (transport.owners.new_token(endpoint_id=name) for name in ("greedy", "modest"))

    answers = [
        await transport.call(f"/kp1/{VERSION}/dcx/{token}/json", body)
        for token, body in ((greedy, b"[" + b"0," * 99 + b"0]"), (greedy, b"1"), (modest, b"2"))
    ]

    assert [answer.status for answer in answers] == [200, 429, 200]
    assert json.loads(answers[1].body)["reasonPhrase"] == "over the limit of 10 samples a second"
    assert answers[1].headers["Retry-After"] == "9"  # 80 overdrawn, and one to be had


async def post(
    transport: Transport, body: bytes, *, token: str | None = "", content_type: str | None = None
) -> Answered:
    headers = {} if token is None else {"Things-Message-Token": token or message_token(body, SECRET)}
    if content_type is not None:
        headers["Content-Type"] = content_type
    return await transport.call(PATH, body, headers=headers)


@pytest.mark.parametrize(
    "content_type", [None, "application/json", "application/senml+json", "application/x-www-form-urlencoded"]
)
async def test_a_pack_of_a_known_device_is_stored_resolved(
    transport: Transport, others: Others, content_type: str | None
) -> None:
    body = pack({"n": "temperature", "u": "Cel", "v": 21.5, "bt": 1_700_000_000}, {"n": "door", "vb": True})

    answer = await post(transport, body, content_type=content_type)

    assert (answer.status, answer.body) == (200, b"")
    (message,) = await collected(others, 1)
    assert (message.endpoint_id, message.app_version, message.resource) == ("tree", VERSION, "/senml")
    temperature, door = json.loads(message.payload)
    assert (temperature["n"], temperature["v"], temperature["t"]) == ("temperature", 21.5, 1_700_000_000)
    assert (door["n"], door["vb"]) == ("door", True)


BODY = pack({"n": "temperature", "v": 21.5})
TOKEN = message_token(BODY, SECRET)


@pytest.mark.parametrize(
    ("body", "token", "content_type", "status"),
    [
        pytest.param(BODY, None, None, 400, id="no token"),
        pytest.param(BODY.replace(b"21.5", b"21.6"), TOKEN, None, 403, id="a byte changed"),
        pytest.param(BODY, "0" * 64, None, 403, id="another token"),
        pytest.param(BODY, TOKEN.upper(), None, 200, id="upper case"),
        pytest.param(pack({"n": "t", "v": 1}, device=DVN[:-1] + "0"), "0" * 64, None, 404, id="unknown"),
        pytest.param(b"[]", "0" * 64, None, 400, id="empty pack"),
        pytest.param(b"{", "0" * 64, None, 400, id="no JSON"),
        pytest.param(b'[{"bn":"urn:dev:mac:1:","n":"t","v":1}]', "0" * 64, None, 400, id="another kind"),
        pytest.param(BODY, TOKEN, "text/plain", 415, id="another type"),
        pytest.param(b" " * (64 * 1024 + 1), TOKEN, None, 413, id="too large"),
    ],
)
async def test_each_outcome_has_its_code(
    transport: Transport,
    others: Others,
    body: bytes,
    token: str | None,
    content_type: str | None,
    status: int,
) -> None:
    answer = await post(transport, body, token=token, content_type=content_type)

    assert answer.status == status
    assert SECRET.encode() not in answer.body


async def test_a_pack_that_speaks_for_another_device_stores_nothing(
    transport: Transport, others: Others
) -> None:
    foreign = {"bn": "urn:dev:DVNUUID:00000000-0000-4000-8000-000000000000:", "n": "t", "v": 1}
    body = pack({"n": "t", "v": 1}, foreign)

    refused = await post(transport, body)
    await post(transport, BODY)

    assert refused.status == 400
    assert len(await collected(others, 1)) == 1


async def test_packs_are_posted(transport: Transport, others: Others) -> None:
    answer = await transport.call(PATH, method="GET")

    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
