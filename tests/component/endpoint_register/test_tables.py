"""An import through the real gateway, endpoint-register and store; tokens and API keys are stand-ins."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator

import aiohttp
import pytest

from libs.contracts.api_keys import CHECK_API_KEY, CheckApiKey
from libs.contracts.endpoints import LIST_ENDPOINTS, ListEndpoints
from libs.contracts.streams import audit_stream
from libs.process import Process, ProcessSettings, serve
from services.api_gateway import app
from tests.component.api_gateway.owners import ADMIN, Keys
from tests.component.endpoint_register.conftest import Client, Replica, StandInCredentials
from tests.support.rest import Json
from tests.support.servers import NatsServer
from tests.support.waiting import eventually

ROWS, BAD = 300, 12


@pytest.fixture
async def api(nats: NatsServer, client: Client, replica: Replica) -> AsyncIterator[str]:
    """Address of a gateway before the replica."""
    subject = CHECK_API_KEY.subject(client.bus.subjects)
    await client.bus.ensure_stream(audit_stream(client.bus.subjects))
    await client.bus.serve(subject, CheckApiKey, Keys(client.bus).on_check, queue=CHECK_API_KEY.instance)
    settings = ProcessSettings(
        nats_url=nats.url_for("api-gateway"), nats_durability="synced", stop_deadline_s=5.0
    )
    process = Process("api-gateway", settings=settings, environ={"GROVE_API_PORT": "0"})
    async with asyncio.TaskGroup() as group:
        served = group.create_task(serve(process, app.build), name="gateway")

        async def listening() -> bool:
            return "http" in process.ports or served.done()

        try:
            await eventually(listening, what="the gateway listens")
            yield f"http://127.0.0.1:{process.ports['http']}/epr/api/v1/endpoints"
        finally:
            process.stop("the test is over")


def table() -> bytes:
    """Rows of which every 25th is bad, each in one of four ways."""
    bad = ["a b,,1", "bad-number,,x", "ragged,", "bad-token,a/b,1"]
    rows = [
        bad[number // 25 % 4] if number % 25 == 0 else f"tree-{number},,{number}" for number in range(ROWS)
    ]
    return "\r\n".join(["endpointId,endpointToken,floor:number", *rows]).encode()


async def test_good_rows_become_endpoints_and_bad_ones_are_told(
    api: str, client: Client, credentials: StandInCredentials
) -> None:
    version = await client.new_version()
    query = {"applicationVersionName": version}
    headers = {"Authorization": f"Bearer {ADMIN}", "Content-Type": "text/csv"}

    async def import_it(session: aiohttp.ClientSession) -> list[Json]:
        async with session.post(f"{api}/import", params=query, headers=headers, data=table()) as answer:
            assert answer.status == 200
            return [json.loads(line) async for line in answer.content]

    async with asyncio.timeout(40), aiohttp.ClientSession() as session:
        lines = await import_it(session)
        again = await import_it(session)
        exported = f"{api}/export?{'&'.join([f'applicationVersionName={version}', 'columns=floor'])}"
        async with session.get(exported, headers=headers) as answer:
            rows = (await answer.text()).splitlines()

    assert [each["line"] for each in lines] == list(range(2, ROWS + 2))
    assert Counter(each["status"] for each in lines) == {201: ROWS - BAD, 400: BAD}
    assert {each["line"] for each in lines if each["status"] == 400} == set(range(2, ROWS + 2, 25))
    assert all(each["reason"] for each in lines if each["status"] == 400)
    assert Counter(each["status"] for each in again) == {409: ROWS - BAD, 400: BAD}
    made = {each["endpointId"]: each["token"] for each in lines if each["status"] == 201}
    kept = {holder: token for (_, token), holder in credentials.tokens.items()}
    assert kept == made
    page = await client.ask(LIST_ENDPOINTS, ListEndpoints(application_version_name=version, limit=1))
    assert page.body.total_elements == ROWS - BAD
    assert {row.split(",")[0] for row in rows[1:]} == set(made)
    assert "tree-7" in made
    assert any(row.startswith("tree-7,") and row.endswith(",7") for row in rows)
