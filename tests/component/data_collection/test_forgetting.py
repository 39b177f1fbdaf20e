"""What was configured for applications that are gone, on a real NATS and a real store."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest

from libs.bus import Bus
from libs.contracts.applications import (
    GET_APPLICATION,
    Application,
    ApplicationReply,
    AppVersion,
    GetApplication,
    PutAppConfig,
)
from libs.contracts.errors import NotFoundError
from libs.contracts.lifecycle import CONFIGURATION_DELETED, CONFIGURATION_UPSERTED, ConfigurationUpdatedEvent
from libs.contracts.messages import Reply
from libs.contracts.streams import events_stream
from libs.contracts.subjects import EventType
from libs.store import Store
from services.data_collection.app import configuration_parts
from services.data_collection.bus_api import ApplicationHandlers, follow_applications
from services.data_collection.bus_api.queries import BusApplications
from services.data_collection.mongo.configurations import MongoConfigurationRepository
from services.data_collection.usecases.configuring import ConfigurationParts, put_configuration
from services.data_collection.usecases.forgetting import forget_all_gone
from tests.support.servers import NatsServer, StoreServer, fresh_database
from tests.support.waiting import eventually


@dataclass
class Register:
    """Stands in for endpoint-register."""

    bus: Bus
    applications: dict[str, Application] = field(default_factory=dict)
    lives: int = 0

    async def on_get(self, request: GetApplication) -> Reply:
        if request.application_name not in self.applications:
            raise NotFoundError
        return ApplicationReply(body=self.applications[request.application_name])

    def create(self, *names: str) -> None:
        for name in names:
            self.lives += 1
            at = f"2026-11-21T03:31:38.{self.lives:03d}Z"
            version = AppVersion(f"{name}-v1", "", "", at, at)
            self.applications[name] = Application(name, "", "", at, at, [version])

    async def tell(
        self, application: str, *, kind: EventType[ConfigurationUpdatedEvent] = CONFIGURATION_DELETED
    ) -> None:
        self.lives += 1
        event = ConfigurationUpdatedEvent(app_name=application)
        await self.bus.announce(kind.subject(self.bus.subjects), event, msg_id=str(self.lives))


@dataclass
class Forgetful:
    """data-collection, as far as it forgets."""

    parts: ConfigurationParts
    documents: MongoConfigurationRepository
    register: Register
    store: Store

    async def configure(self, application: str, version: str | None = None) -> None:
        own = {"retention": "90d"} if version is None else {"versions": {version: {"retention": "90d"}}}
        request = PutAppConfig(
            application_name=application,
            service_instance_name="dcx",
            version_name=version,
            body={"dcx": {"kaa": {"applications": {application: own}}}},
        )
        await put_configuration(request, parts=self.parts)

    async def holds(self, application: str, *versions: str | None) -> None:
        async def look() -> bool:
            return {v for _, v in await self.documents.of_application(application)} == set(versions)

        await eventually(look, what=f"documents of {application} are {versions}")


@pytest.fixture
async def forgetful(nats: NatsServer, store_server: StoreServer, root: str) -> AsyncIterator[Forgetful]:
    async with AsyncExitStack() as stack:
        store = Store.open(store_server.url, database=fresh_database(), app_name="test")
        stack.push_async_callback(store.close)
        bus = await Bus.connect(url=nats.url, service="data-collection", replica="dc-1", root=root)
        stack.push_async_callback(bus.close)
        await bus.ensure_stream(events_stream(bus.subjects))
        register = Register(bus)
        await bus.serve(GET_APPLICATION.subject(bus.subjects), GetApplication, register.on_get, queue="er")
        documents = MongoConfigurationRepository(store)
        await documents.prepare()
        parts = configuration_parts(store, bus, BusApplications(bus))
        group = await stack.enter_async_context(asyncio.TaskGroup())
        group.create_task(follow_applications(bus, ApplicationHandlers(parts)), name="applications")
        stack.push_async_callback(bus.stop_consuming)
        yield Forgetful(parts, documents, register, store)


async def test_what_was_configured_goes_with_its_application(forgetful: Forgetful) -> None:
    forgetful.register.create("olives", "figs")
    for application in ("olives", "figs"):
        await forgetful.configure(application)
        await forgetful.configure(application, f"{application}-v1")

    del forgetful.register.applications["olives"]
    await forgetful.register.tell("olives")

    await forgetful.holds("olives")
    await forgetful.holds("figs", None, "figs-v1")


@pytest.mark.parametrize("kind", [CONFIGURATION_DELETED, CONFIGURATION_UPSERTED], ids=["delete", "upsert"])
async def test_what_was_configured_goes_with_its_version_however_that_is_told(
    forgetful: Forgetful, kind: EventType[ConfigurationUpdatedEvent]
) -> None:
    forgetful.register.create("olives")
    await forgetful.configure("olives")
    await forgetful.configure("olives", "olives-v1")

    forgetful.register.applications["olives"].versions.clear()
    await forgetful.register.tell("olives", kind=kind)

    await forgetful.holds("olives", None)


async def test_told_again_after_the_name_was_given_again_it_forgets_nothing_new(
    forgetful: Forgetful,
) -> None:
    forgetful.register.create("olives", "figs")
    await forgetful.configure("olives", "olives-v1")
    await forgetful.configure("figs")
    forgetful.register.create("olives")
    del forgetful.register.applications["figs"]
    await forgetful.configure("olives")

    await forgetful.register.tell("olives")
    await forgetful.register.tell("figs")

    await forgetful.holds("figs")  # so the event before was heard, too
    await forgetful.holds("olives", None)


async def test_what_no_event_told_of_is_found_and_what_an_older_release_put_stays(
    forgetful: Forgetful,
) -> None:
    forgetful.register.create("olives", "figs", "elms")
    for application in ("olives", "figs", "elms"):
        await forgetful.configure(application)
    collection = forgetful.store.collection("configurations")
    await collection.update_many({"application": {"$in": ["figs", "elms"]}}, {"$unset": {"incarnation": ""}})

    del forgetful.register.applications["olives"]
    del forgetful.register.applications["elms"]
    gone = await forget_all_gone(parts=forgetful.parts)

    assert gone == 2
    assert await forgetful.documents.applications(after="") == ["figs"]
