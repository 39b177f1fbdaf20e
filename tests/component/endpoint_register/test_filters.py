"""Endpoint filters with the real store and the real stream."""

import asyncio
from dataclasses import dataclass

import pytest

from libs.contracts import endpoints as epr
from libs.contracts import filters as efe
from libs.contracts.ids import ApplicationName, AppVersionName, EndpointId
from libs.contracts.lifecycle import METADATA_UPDATED
from services.endpoint_register.domain.endpoint import Endpoint, EndpointState
from services.endpoint_register.domain.listing import listed
from services.endpoint_register.usecases.evaluating import FilterWork
from tests.component.endpoint_register.conftest import Client, Replica
from tests.support.waiting import eventually

FLEET = 300
_AT_ONCE = 16


@dataclass
class Fleet:
    """Endpoints with ``n`` counted up in their metadata, and a filter for the first hundred."""

    client: Client
    replica: Replica
    version: str
    ids: list[str]
    filter_id: str = ""

    @property
    def application(self) -> str:
        return self.version.removesuffix("-v1")

    async def add_filter(self) -> efe.EndpointFilter:
        body = efe.NewFilter(name="low", mongo_query='{"metadata.n":{"$lt":100}}')
        cmd = efe.CreateFilter(application_name=self.application, body=body)
        made: efe.EndpointFilter = (await self.client.ask(efe.CREATE_FILTER, cmd)).body
        self.filter_id = made.id
        return made

    async def seen(self) -> efe.EndpointFilter:
        cmd = efe.GetFilter(application_name=self.application, filter_id=self.filter_id)
        found: efe.EndpointFilter = (await self.client.ask(efe.GET_FILTER, cmd)).body
        return found

    async def page(self) -> epr.EndpointPage:
        cmd = epr.ListEndpoints(filter_id=self.filter_id, include=("filters",), sort="-endpointId", limit=5)
        found: epr.EndpointPage = (await self.client.ask(epr.LIST_ENDPOINTS, cmd)).body
        return found

    async def counts(self, expected: int) -> None:
        async def look() -> bool:
            return (await self.seen()).matched_endpoints_count == expected

        await eventually(look, what=f"{expected} are counted")

    async def put(self, number: int, **metadata: object) -> None:
        await self.client.device(self.version, self.ids[number], "/update/keys", metadata)

    async def stored(self, number: int) -> Endpoint:
        await self.replica.announcer.stop()
        found = await self.replica.parts.endpoints.find(EndpointId(self.ids[number]), outbox=True)
        assert found is not None
        return found


@pytest.fixture
async def fleet(client: Client, replica: Replica) -> Fleet:
    asyncio.get_running_loop().set_debug(False)  # it triples the cost of a task, and this is about a fleet
    version = await client.new_version()
    turns = asyncio.Semaphore(_AT_ONCE)

    async def create(number: int) -> str:
        now = replica.parts.clock.now()
        endpoint = Endpoint(
            id=EndpointId(f"{version}-{number:03}"),
            application=ApplicationName(version.removesuffix("-v1")),
            version=AppVersionName(version),
            version_since=now,
            created_at=now,
            incarnation=f"{number}",
            state=EndpointState.READY,
            metadata={"n": number},
        )
        async with turns:
            await replica.parts.endpoints.add(endpoint)
            await replica.parts.listing.put(listed(endpoint))
        return endpoint.id

    ids = await asyncio.gather(*(create(number) for number in range(FLEET)))
    await client.listen(efe.ENDPOINT_MATCHED, efe.ENDPOINT_UNMATCHED)
    return Fleet(client, replica, version, ids)


async def test_a_third_of_a_fleet_matches_and_devices_change_that(fleet: Fleet) -> None:
    client, ids = fleet.client, fleet.ids
    assert (await fleet.add_filter()).status == "pending"
    await FilterWork(fleet.replica.parts).look()

    found, page = await fleet.seen(), await fleet.page()
    assert (found.status, found.matched_endpoints_count) == ("active", 100)
    assert (page.total_elements, len(page.content)) == (100, 5)
    assert [each.endpoint_id for each in page.content] == ids[99:94:-1]
    assert {tuple(each.filters or ()) for each in page.content} == {(fleet.filter_id,)}
    await client.until(lambda: len(client.heard) == 100)

    client.heard.clear()
    await fleet.put(200, n=1)
    await fleet.put(0, n=500)
    await fleet.put(1, n=2)
    await client.until(lambda: len(client.heard) == 2)
    told = {kind.name: (event.endpoint_id, event.filter_id) for kind, event in client.heard}
    assert told == {
        "ep-matched": (ids[200], fleet.filter_id),
        "ep-unmatched": (ids[0], fleet.filter_id),
    }
    await fleet.counts(100)

    await client.ask(epr.DELETE_ENDPOINT, epr.DeleteEndpoint(endpoint_id=ids[200]))
    await fleet.counts(99)

    before = await fleet.stored(5)
    client.heard.clear()
    await client.listen(METADATA_UPDATED)
    await fleet.put(5, other=True)
    await client.until(lambda: len(client.heard) == 1)
    after = await fleet.stored(5)
    assert (after.seq, after.filters, after.outbox) == (before.seq + 1, before.filters, ())

    await client.ask(
        efe.DELETE_FILTER, efe.DeleteFilter(application_name=fleet.application, filter_id=fleet.filter_id)
    )
    one = await client.ask(epr.GET_ENDPOINT, epr.GetEndpoint(endpoint_id=ids[5], include=("filters",)))
    assert one.body.filters == []
    assert (await fleet.page()).content == []
