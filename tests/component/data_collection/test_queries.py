"""From a batch in the stream to what an operator reads, on a real NATS and a real store."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from libs.bus import Bus
from libs.contracts import time_series as contract
from libs.contracts.applications import (
    GET_APPLICATION,
    Application,
    ApplicationReply,
    AppVersion,
    GetApplication,
)
from libs.contracts.data_events import (
    DATA_POINTS_RECEIVED,
    DATA_SAMPLES_RECEIVED,
    DataSamplesEvent,
    TimeSeriesEvent,
)
from libs.contracts.endpoints import GET_ENDPOINT, Endpoint, EndpointAppVersion, EndpointReply, GetEndpoint
from libs.contracts.errors import BadRequestError, ForbiddenError, NotFoundError
from libs.contracts.messages import Reply, Request
from libs.contracts.streams import collect_consumer, events_stream, ingest_stream, rejected_stream
from libs.contracts.subjects import Operation
from libs.store import Store
from services.data_collection.app import assemble, derive, query_handlers
from services.data_collection.bus_api import collect_batches
from services.data_collection.bus_api.queries import serve_queries
from services.data_collection.settings import Settings
from services.data_collection.usecases.naming import MAX_NAMES
from services.data_collection.usecases.rollups import Derivation
from tests.component.data_collection.conftest import RECEIVED_MS, VERSION, Transport
from tests.component.data_collection.test_collecting import hear, until
from tests.support.servers import NatsServer, StoreServer, fresh_database
from tests.support.waiting import eventually

APPLICATION = "grove"
BEGIN, END = contract.iso(RECEIVED_MS - 3_600_000), contract.iso(RECEIVED_MS + 3_600_000)


@dataclass
class Operator:
    """Asks over the bus, as the gateway does."""

    bus: Bus
    derivation: Derivation

    async def ask(self, operation: Operation[Any, Any], **fields: Any) -> Any:  # noqa: ANN401 - of the operation
        message: Request = operation.request(**fields)
        return await self.bus.request(
            operation.subject(self.bus.subjects), message, operation.reply, timeout_s=5
        )

    async def points(self, series: str, **fields: Any) -> list[tuple[int, Any]]:  # noqa: ANN401 - as above
        reply = await self.ask(
            contract.READ_DATA,
            application_name=APPLICATION,
            time_series_name=(series,),
            from_date=BEGIN,
            to_date=END,
            **fields,
        )
        return [point for run in reply.runs for point in run.points]

    async def sees(self, count: int, series: str = "auto~n") -> None:
        async def look() -> bool:
            return len(await self.points(series)) >= count

        await eventually(look, what=f"{count} points")

    async def configure(self, instance: str, own: dict[str, Any]) -> None:
        body = {instance: {"kaa": {"applications": {APPLICATION: own}}}}
        await self.ask(
            contract.PUT_SERIES_CONFIG,
            application_name=APPLICATION,
            service_instance_name=instance,
            body=body,
        )


async def _register(bus: Bus) -> None:
    """Stand in for endpoint-register."""

    async def application(request: GetApplication) -> Reply:
        if request.application_name != APPLICATION:
            raise NotFoundError
        version = AppVersion(VERSION, "", "", "", "")
        return ApplicationReply(body=Application(APPLICATION, "", "", "", "", [version]))

    async def endpoint(request: GetEndpoint) -> Reply:
        return EndpointReply(body=Endpoint(request.endpoint_id, "", EndpointAppVersion(VERSION, "")))

    await bus.serve(GET_APPLICATION.subject(bus.subjects), GetApplication, application, queue="er")
    await bus.serve(GET_ENDPOINT.subject(bus.subjects), GetEndpoint, endpoint, queue="er")


@pytest.fixture
async def operator(nats: NatsServer, store_server: StoreServer, root: str) -> AsyncIterator[Operator]:
    async with AsyncExitStack() as stack:
        store = Store.open(store_server.url, database=fresh_database(), app_name="test")
        stack.push_async_callback(store.close)
        bus = await Bus.connect(url=nats.url, service="data-collection", replica="dc-1", root=root)
        stack.push_async_callback(bus.close)
        for stream in (events_stream, ingest_stream, rejected_stream):
            await bus.ensure_stream(stream(bus.subjects))
        await bus.ensure_consumer(collect_consumer(bus.subjects))
        await _register(bus)
        configurations, derivation, samples = await derive(store, bus)
        _, handlers = await assemble(
            store,
            bus,
            settings=Settings(),
            configurations=configurations,
            derived=derivation,
            samples=samples,
        )
        answering = await query_handlers(
            store,
            bus,
            settings=Settings(),
            configurations=configurations,
            derivation=derivation,
            samples=samples,
        )
        await serve_queries(bus, answering)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        tasks = [group.create_task(derivation.run(), name="deriving")]
        group.create_task(collect_batches(bus, handlers, batches=4), name="collect")
        stack.push_async_callback(bus.stop_consuming)
        yield Operator(bus, derivation)
        for task in tasks:
            task.cancel()


async def test_what_a_device_sent_is_read_by_an_operator(operator: Operator, transport: Transport) -> None:
    await transport.send({"n": 1, "timestamp": RECEIVED_MS - 5}, {"n": 2.5}, {"other": True})

    await operator.sees(2)

    assert await operator.points("auto~n") == [(RECEIVED_MS - 5, {"value": 1}), (RECEIVED_MS, {"value": 2.5})]
    assert [at for at, _ in await operator.points("auto~n", sort="DESC")] == [RECEIVED_MS, RECEIVED_MS - 5]
    assert await operator.points("auto~n", every="1h", aggregate=("sum",)) == [
        (RECEIVED_MS - RECEIVED_MS % 3_600_000, {"value": {"sum": 3.5}})
    ]


async def test_the_last_point_and_the_series_are_known_soon_after(
    operator: Operator, transport: Transport
) -> None:
    await transport.send({"n": 1})
    await transport.send({"n": 2, "timestamp": RECEIVED_MS - 5})
    await operator.sees(2)

    async def last() -> Any:  # noqa: ANN401 - the body
        asked = {"application_name": APPLICATION, "time_series_name": ("auto~n",)}
        return (await operator.ask(contract.READ_LAST, **asked)).body

    async def known() -> bool:
        return bool(await last())

    await eventually(known, what="the last point is written")
    listed = await operator.ask(contract.LIST_TIME_SERIES, application_names=(APPLICATION,))

    assert (await last())["tree"]["auto~n"][0].values == {"value": 1}
    assert [each.name for each in listed.body[APPLICATION]] == ["auto~n"]


async def test_names_made_up_by_a_device_are_bounded_and_their_points_are_read(
    operator: Operator, transport: Transport
) -> None:
    await transport.send({f"n{number}": number for number in range(MAX_NAMES)})
    await operator.sees(1, "auto~n7")

    async def listed() -> set[str]:
        reply = await operator.ask(contract.LIST_TIME_SERIES, application_names=(APPLICATION,))
        return {each.name for each in reply.body[APPLICATION]}

    async def full() -> bool:
        return len(await listed()) == MAX_NAMES

    await eventually(full, what="names are written")
    await transport.send({"late": 1}, endpoint_id="oak")
    await operator.sees(1, "auto~late")
    await operator.derivation.flush()

    assert await full()
    assert "auto~late" not in await listed()


async def test_a_configuration_counts_at_once(operator: Operator, transport: Transport) -> None:
    await transport.send({"deep": {"n": 1}, "n": 1})
    await operator.sees(1)
    own = {"time-series": {"auto-extract": False, "names": {"deep": {"values": [{"path": "deep.n"}]}}}}

    await operator.configure("epts", own)

    async def seen() -> bool:
        return await operator.points("deep") == [(RECEIVED_MS, {"value": 1})]

    await eventually(seen, what="the configuration is felt")
    found = await operator.ask(
        contract.GET_SERIES_CONFIG, application_name=APPLICATION, service_instance_name="epts"
    )
    assert found.body == {"epts": {"kaa": {"applications": {APPLICATION: own}}}}


async def test_configurations_are_patched_and_written_together_and_listed(operator: Operator) -> None:
    await operator.configure("dcx", {"retention": "90d", "message-id": {"path": "id"}})
    versions = {"versions": {VERSION: {"retention": "9d"}}}

    patched = await operator.ask(
        contract.PATCH_SERIES_CONFIG,
        application_name=APPLICATION,
        service_instance_name="dcx",
        body={"dcx": {"kaa": {"applications": {APPLICATION: {"message-id": None}}}}},
    )
    written = await operator.ask(
        contract.PUT_SERIES_CONFIGS,
        service_instance_name="dcx",
        body={"dcx": {"kaa": {"applications": {APPLICATION: versions}}}},
    )
    listed = await operator.ask(contract.LIST_SERIES_CONFIGS, service_instance_name="dcx")
    elsewhere = await operator.ask(
        contract.LIST_SERIES_CONFIGS, service_instance_name="dcx", applications=("figs",)
    )

    assert patched.body == {"dcx": {"kaa": {"applications": {APPLICATION: {"retention": "90d"}}}}}
    assert [each.version_name for each in written.body.written] == [VERSION]
    assert listed.body == {"dcx": {"kaa": {"applications": {APPLICATION: {"retention": "90d"} | versions}}}}
    assert elsewhere.body == {"dcx": {"kaa": {"applications": {}}}}


async def test_a_wrong_configuration_is_refused_with_its_path(operator: Operator) -> None:
    with pytest.raises(BadRequestError, match=r"applications\.grove\.time-series\.auto-extract"):
        await operator.configure("epts", {"time-series": {"auto-extract": "yes"}})


async def test_written_points_are_read_back(operator: Operator) -> None:
    point = contract.Point(contract.iso(RECEIVED_MS), {"value": 7})

    reply = await operator.ask(
        contract.WRITE_DATA, app_version=VERSION, body={"tree": {"auto~n": [point, point]}}
    )

    assert reply.status_code == 204
    assert await operator.points("auto~n") == [(RECEIVED_MS, {"value": 7})]


async def test_written_points_are_told_of_as_those_of_devices_are(
    operator: Operator, transport: Transport
) -> None:
    subject = DATA_POINTS_RECEIVED.subject(transport.subjects)
    points = await hear(transport, f"{subject}.*", TimeSeriesEvent)
    samples = await hear(transport, DATA_SAMPLES_RECEIVED.subject(transport.subjects), DataSamplesEvent)
    written = {
        "tree": {
            "auto~n": [
                contract.Point(contract.iso(RECEIVED_MS), {"value": 7}),
                contract.Point(contract.iso(RECEIVED_MS + 1), {"value": 8.5}),
            ]
        },
        "oak": {"auto~n": [contract.Point(contract.iso(RECEIVED_MS), {"value": 9})]},
    }

    await operator.ask(contract.WRITE_DATA, app_version=VERSION, body=written)
    await until(lambda: len(points) == 2, "an event for each endpoint")

    tree = next(event for _, event in points if event.endpoint_id == "tree")
    assert {heard for heard, _ in points} == {f"{subject}.auto~n"}
    assert [(each.timestamp, each.values) for each in tree.data_points] == [
        (RECEIVED_MS, {"value": 7}),
        (RECEIVED_MS + 1, {"value": 8.5}),
    ]
    assert (tree.app_version_name, tree.batch_id, tree.position) == (VERSION, "", 0)
    assert samples == []


async def test_what_a_limited_key_may_not_touch_is_refused_by_the_owner(operator: Operator) -> None:
    limits = ("figs",)
    place = {"application_name": APPLICATION, "service_instance_name": "epts"}
    for operation, fields in (
        (contract.LIST_TIME_SERIES, {"application_names": (APPLICATION,)}),
        (contract.READ_LAST, {"application_name": APPLICATION, "time_series_name": ("t",)}),
        (
            contract.READ_DATA,
            {
                "application_name": APPLICATION,
                "time_series_name": ("t",),
                "from_date": BEGIN,
                "to_date": END,
            },
        ),
        (contract.WRITE_DATA, {"app_version": VERSION, "body": {}}),
        (contract.GET_SERIES_CONFIG, place),
        (contract.PUT_SERIES_CONFIG, {**place, "body": {}}),
    ):
        with pytest.raises(ForbiddenError):
            await operator.ask(operation, applications=limits, **fields)
