"""Who is connected, from what transports say to what operators are shown."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest
from msgspec import UNSET

from libs.contracts import applications as tekton
from libs.contracts import endpoints as epr
from libs.contracts.connectivity import (
    ALIVE_EVERY_S,
    GIVEN_UP,
    REPORT_SEEN,
    SILENT_AFTER_S,
    Seen,
    SeenReport,
)
from libs.contracts.ids import ApplicationName, AppVersionName, EndpointId
from libs.contracts.lifecycle import APP_VERSION_UPDATED
from services.endpoint_register.domain.endpoint import Endpoint, EndpointState
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.giving_up import Patience, SilenceWatch
from tests.component.endpoint_register.conftest import Client, NewReplica, Replica
from tests.component.endpoint_register.test_crashes import DeadError, dying
from tests.component.endpoint_register.test_process import built
from tests.component.endpoint_register.transports import (
    StandInTransport,
    connectivity,
    following,
    transport_on,
    until_connected,
)
from tests.support.servers import NatsServer, StoreServer
from tests.support.waiting import eventually


@pytest.fixture
async def transport(nats: NatsServer, client: Client) -> AsyncIterator[StandInTransport]:
    async with transport_on(nats) as transport:
        yield transport


@pytest.fixture
async def other(nats: NatsServer, client: Client) -> AsyncIterator[StandInTransport]:
    async with transport_on(nats) as transport:
        yield transport


async def second_version(client: Client, version: str) -> str:
    created = await client.ask(
        tekton.CREATE_VERSION,
        tekton.CreateVersion(
            application_name=version.rpartition("-")[0], body=tekton.NewAppVersion(name_suffix="v2")
        ),
    )
    name: str = created.body.name
    return name


async def until_at(client: Client, endpoint_id: str, version: str) -> None:
    async def look() -> bool:
        reply = await client.ask(epr.GET_ENDPOINT, epr.GetEndpoint(endpoint_id=endpoint_id))
        at: str = reply.body.app_version.name
        return at == version

    await eventually(look, what=f"{endpoint_id} at {version}")


async def test_an_endpoint_is_shown_connected_until_its_binding_ends(
    client: Client, replica: Replica, transport: StandInTransport, other: StandInTransport
) -> None:
    version = await client.new_version()
    tree = (await client.new_endpoint(version)).endpoint_id
    silent = (await client.new_endpoint(version)).endpoint_id
    began = datetime.now(UTC)

    async with following(replica):
        first = await transport.connect({tree: version})
        there = await until_connected(client, tree, connected=True)
        second = await other.connect({tree: version})
        await transport.disconnect({tree: version}, of=first)
        await other.restate({tree: version}, of=second)
        page = await client.ask(epr.LIST_ENDPOINTS, epr.ListEndpoints(include=("connectivity",)))
        await other.disconnect({tree: version}, of=second)
        gone = await until_connected(client, tree, connected=False)

    assert (there.connected, there.active, there.transport) == (True, True, "MQTT")
    assert isinstance(there.connected_since, str)
    assert abs((datetime.fromisoformat(there.connected_since) - began).total_seconds()) < 30
    assert there.last_seen == there.connected_since
    assert (gone.active, gone.connected_since) == (True, UNSET)
    shown = {each.endpoint_id: each.connectivity for each in page.body.content}
    assert shown[tree].connected
    assert shown[silent] == epr.EndpointConnectivity(connected=False, active=False)
    bare = await client.ask(epr.GET_ENDPOINT, epr.GetEndpoint(endpoint_id=tree))
    assert bare.body.connectivity is UNSET


async def test_an_endpoint_follows_the_version_it_connects_for(
    client: Client, replica: Replica, transport: StandInTransport
) -> None:
    await client.listen(APP_VERSION_UPDATED)
    version = await client.new_version()
    newer = await second_version(client, version)
    foreign = await client.new_version()
    tree = (await client.new_endpoint(version)).endpoint_id

    async with following(replica):
        await transport.connect({tree: foreign})
        await transport.connect({tree: newer})
        await until_at(client, tree, newer)

    await client.until(lambda: "appversion-updated" in client.names())
    (event,) = (event for _, event in client.heard)
    assert (event.endpoint_id, event.previous_app_version_name) == (tree, version)
    page = await client.ask(epr.LIST_ENDPOINTS, epr.ListEndpoints(application_version_name=newer))
    assert [each.endpoint_id for each in page.body.content] == [tree]


async def test_a_request_over_http_makes_an_endpoint_active_and_moves_it(
    client: Client, replica: Replica, nats: NatsServer
) -> None:
    version = await client.new_version()
    newer = await second_version(client, version)
    tree = (await client.new_endpoint(version)).endpoint_id
    now_ms = time.time_ns() // 1_000_000

    for spoken in (version, newer):
        report = SeenReport(transport="HTTP", endpoints={tree: Seen(now_ms, spoken)})
        await client.ask(REPORT_SEEN, report)

    shown = await connectivity(client, tree)
    assert (shown.connected, shown.active, shown.transport) == (False, True, "HTTP")
    assert isinstance(shown.last_seen, str)
    assert abs(datetime.fromisoformat(shown.last_seen).timestamp() * 1000 - now_ms) < 5_000
    await until_at(client, tree, newer)


async def test_what_was_said_while_no_register_ran_is_taken_in(
    client: Client, start: NewReplica, transport: StandInTransport
) -> None:
    first = await start()
    version = await client.new_version()
    tree, bush = [(await client.new_endpoint(version)).endpoint_id for _ in range(2)]
    async with following(first):
        of = await transport.connect({tree: version})
        await until_connected(client, tree, connected=True)
    await transport.disconnect({tree: version}, of=of)
    await transport.connect({bush: version})

    async with following(await start()):
        await until_connected(client, tree, connected=False)
        await until_connected(client, bush, connected=True)


async def test_a_dead_transport_holds_nobody_and_what_moved_is_not_touched(
    client: Client, start: NewReplica, transport: StandInTransport, other: StandInTransport
) -> None:
    await client.listen(GIVEN_UP)
    replicas = [await start(), await start()]
    version = await client.new_version()
    tree, moved = [(await client.new_endpoint(version)).endpoint_id for _ in range(2)]

    async with following(replicas[0], silent_after_s=1.5), following(replicas[1], silent_after_s=1.5):
        of = await transport.connect({tree: version, moved: version})
        await other.connect({moved: version})
        async with asyncio.TaskGroup() as tasks:
            living = tasks.create_task(_keep_alive(other), name="alive")
            await until_connected(client, tree, connected=True)
            await until_connected(client, tree, connected=False)
            await client.until(lambda: bool(client.heard))
            assert (await connectivity(client, moved)).connected

            await eventually(transport.alive, what="it is asked to say again whom it holds")
            await transport.restate({tree: version}, of=of)
            await until_connected(client, tree, connected=True)
            living.cancel()

    told = [event for _, event in client.heard if tree in event.endpoints]
    assert [(event.run_id, event.generations[tree]) for event in told][:1] == [(transport.run_id, of)]
    assert all(moved not in event.endpoints for event in told)


async def _keep_alive(transport: StandInTransport, *, every_s: float = 0.3) -> None:
    while True:
        await transport.alive()
        await asyncio.sleep(every_s)


async def test_what_was_ended_and_not_told_is_told_by_another(
    client: Client, start: NewReplica, transport: StandInTransport
) -> None:
    await client.listen(GIVEN_UP)
    replica, heir = await start(), await start()
    version = await client.new_version()
    tree = (await client.new_endpoint(version)).endpoint_id
    mortal = dying(replica.parts, "events", "publish", before=True)
    async with following(replica):
        await transport.connect({tree: version})
        await until_connected(client, tree, connected=True)
    with pytest.raises(DeadError):
        await _watch(mortal)

    async with following(heir):
        await client.until(lambda: bool(client.heard))

    (event,) = [event for _, event in client.heard if tree in event.endpoints]
    assert event.endpoints == {tree: version}


async def _watch(parts: Parts) -> None:
    await SilenceWatch(parts, patience=Patience(silent_after_s=0.5)).run()


async def test_a_removed_endpoint_is_connected_no_more_when_its_id_returns(
    client: Client, replica: Replica, transport: StandInTransport
) -> None:
    version = await client.new_version()
    tree = (await client.new_endpoint(version)).endpoint_id

    async with following(replica):
        await transport.connect({tree: version})
        await until_connected(client, tree, connected=True)
        await client.ask(epr.DELETE_ENDPOINT, epr.DeleteEndpoint(endpoint_id=tree))
        await client.new_endpoint(version, endpoint_id=tree)

        assert await connectivity(client, tree) == epr.EndpointConnectivity(connected=False, active=False)


async def test_the_service_as_built_for_production_keeps_presence(
    client: Client,
    nats: NatsServer,
    store_server: StoreServer,
    transport: StandInTransport,
    credentials: object,
) -> None:
    async with built(nats, store_server):
        version = await client.new_version()
        tree = (await client.new_endpoint(version)).endpoint_id
        assert await transport.alive()
        of = await transport.connect({tree: version})
        await until_connected(client, tree, connected=True)
        await transport.restate({tree: version}, of=of)
        await transport.disconnect({tree: version}, of=of)
        await until_connected(client, tree, connected=False)


async def crowd(parts: Parts, client: Client, count: int) -> dict[str, str]:
    """Make many endpoints behind the service's back: creating them is not the point."""
    version = AppVersionName(await client.new_version())
    now = parts.clock.now()
    ids = [EndpointId(f"tree-{number}") for number in range(count)]

    async def add(endpoint_id: EndpointId) -> None:
        endpoint = Endpoint(
            id=endpoint_id,
            application=ApplicationName(version.rpartition("-")[0]),
            version=version,
            version_since=now,
            created_at=now,
            incarnation=f"of-{endpoint_id}",
            state=EndpointState.READY,
        )
        await parts.endpoints.add(endpoint)

    for first in range(0, count, 32):
        await asyncio.gather(*map(add, ids[first : first + 32]))
    return {endpoint_id: str(version) for endpoint_id in ids}


async def _online(parts: Parts, ids: Sequence[str]) -> int:
    records = await parts.connectivity.find_many([EndpointId(each) for each in ids])
    return sum(each.connected for each in records.values())


async def given_up(
    client: Client,
    replica: Replica,
    transport: StandInTransport,
    *,
    count: int,
    patience_s: tuple[float, float],
) -> float:
    """Connect many endpoints, fall silent, and return how long it took until all were told to be gone.

    Args:
        client: Hears whom everybody was told about.
        replica: Takes in what is said.
        transport: Is killed.
        count: How many endpoints.
        patience_s: How often the transport says that it lives, and how long its silence may last.
    """
    alive_every_s, silent_after_s = patience_s
    await client.listen(GIVEN_UP)
    endpoints = await crowd(replica.parts, client, count)
    some = list(endpoints)[:: count // 20]
    async with following(replica, silent_after_s=silent_after_s), asyncio.TaskGroup() as tasks:
        living = tasks.create_task(_keep_alive(transport, every_s=alive_every_s), name="alive")
        await transport.connect_all(endpoints)

        async def all_there() -> bool:
            return await _online(replica.parts, some) == len(some)

        await eventually(all_there, what="all online", deadline_s=120)
        living.cancel()
        killed_at = time.monotonic()

        async def all_told() -> bool:
            return sum(len(event.endpoints) for _, event in client.heard) >= count

        await eventually(all_told, what="all told", deadline_s=silent_after_s + 20)
        told_s = time.monotonic() - killed_at
        page = await client.ask(
            epr.LIST_ENDPOINTS, epr.ListEndpoints(endpoint_id=tuple(some), include=("connectivity",))
        )

        async def all_written() -> bool:
            return not await replica.parts.connectivity.holds_any(transport.run_id)

        await eventually(all_written, what="all written", deadline_s=60)
    assert [each.connectivity.connected for each in page.body.content] == [False] * len(some)
    assert {endpoint_id for _, event in client.heard for endpoint_id in event.endpoints} == endpoints.keys()
    assert await _online(replica.parts, list(endpoints)) == 0
    return told_s


async def test_a_crowd_of_a_killed_transport_is_told_in_chunks(
    client: Client, replica: Replica, transport: StandInTransport
) -> None:
    await given_up(client, replica, transport, count=1100, patience_s=(0.3, 2.0))


@pytest.mark.soak
@pytest.mark.timeout(240)
async def test_ten_thousand_of_a_killed_transport_are_offline_within_25_s(
    client: Client, replica: Replica, transport: StandInTransport
) -> None:
    patience_s = (ALIVE_EVERY_S, SILENT_AFTER_S)

    told_s = await given_up(client, replica, transport, count=10_000, patience_s=patience_s)

    print(f"10,000 offline, and told, {told_s:.1f} s after the kill")  # noqa: T201 - the figure of rule 19
    assert told_s < 25
