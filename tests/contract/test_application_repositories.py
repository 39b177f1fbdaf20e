"""What repositories of applications and configuration promise, held against the fakes and the real store."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from libs.contracts.ids import ApplicationName, AppVersionName
from libs.store import Store
from services.endpoint_register.domain.application import Application, AppVersion, Described, Place
from services.endpoint_register.domain.configuration import ConfigurationChange, Standing
from services.endpoint_register.mongo import MongoApplicationRepository, MongoConfigurationRepository
from services.endpoint_register.ports import ApplicationRepository, ConfigurationRepository
from tests.support.rest import Json
from tests.support.servers import StoreServer, fresh_database
from tests.unit.endpoint_register.record_fakes import (
    InMemoryApplicationRepository,
    InMemoryConfigurationRepository,
)
from tests.unit.endpoint_register.time_and_chance import START, ManualClock

OLIVES, FIGS = ApplicationName("olives"), ApplicationName("figs")
V1 = AppVersionName("olives-v1")


@dataclass
class Kept:
    applications: ApplicationRepository
    configurations: ConfigurationRepository
    clock: ManualClock


@pytest.fixture(params=["memory", "store"])
async def kept(request: pytest.FixtureRequest, server: StoreServer) -> AsyncIterator[Kept]:
    clock = ManualClock()
    if request.param == "memory":
        yield Kept(
            InMemoryApplicationRepository(clock=clock), InMemoryConfigurationRepository(clock=clock), clock
        )
        return
    store = Store.open(server.url, database=fresh_database(), app_name="test")
    applications = MongoApplicationRepository(store, clock=clock)
    configurations = MongoConfigurationRepository(store, clock=clock)
    await applications.prepare()
    await configurations.prepare()
    yield Kept(applications, configurations, clock)
    await store.close()


def shown(text: str = "Olives") -> Described:
    return Described(display_name=text, description="", created_at=START, updated_at=START)


def application(name: ApplicationName = OLIVES, **fields: Json) -> Application:
    return Application(name=name, shown=shown(), attempt=f"of-{name}", **fields)


def change(service: str, version: AppVersionName | None = None, *, attempt: str = "a") -> ConfigurationChange:
    return ConfigurationChange(service=service, application=OLIVES, version=version, attempt=attempt)


def with_v1(before: Application) -> Application:
    return before.with_version(AppVersion(name=V1, shown=shown("First"), attempt="v"))


async def test_an_application_is_found_as_it_was_stored(kept: Kept) -> None:
    stored = with_v1(application())

    assert await kept.applications.add(stored)

    assert await kept.applications.find(OLIVES) == stored
    assert await kept.applications.find(FIGS) is None


async def test_a_name_is_taken_once(kept: Kept) -> None:
    assert await kept.applications.add(application())
    assert await kept.applications.add(application()), "the same insert again is our own"
    assert not await kept.applications.add(replace(application(), attempt="another"))


async def test_the_second_of_two_changes_loses(kept: Kept) -> None:
    before = application()
    await kept.applications.add(before)
    one, other = with_v1(before), before.with_shown(shown("Other"))

    assert await kept.applications.replace(before, one)
    assert not await kept.applications.replace(before, other)
    assert not await kept.applications.replace(replace(one, attempt="another"), one)
    assert await kept.applications.find(OLIVES) == one


async def test_applications_come_oldest_first(kept: Kept) -> None:
    younger = replace(shown(), created_at=START + timedelta(seconds=1))
    await kept.applications.add(replace(application(), shown=younger))
    await kept.applications.add(application(FIGS))

    everything = await kept.applications.all(None)
    some = await kept.applications.all(["olives", "gone"])

    assert [each.name for each in everything] == ["figs", "olives"]
    assert [each.name for each in some] == ["olives"]
    assert await kept.applications.places(None) == [Place.of(each) for each in everything]
    assert await kept.applications.places(["olives", "gone"]) == [Place.of(each) for each in some]


async def test_unfinished_ones_are_found_until_they_are_finished(kept: Kept) -> None:
    before = with_v1(application())
    await kept.applications.add(before)
    await kept.applications.add(application(FIGS))
    closing = before.closing(before.versions["v1"], at=START)
    await kept.applications.replace(before, closing)
    later = START + timedelta(seconds=1)

    found = await kept.applications.unfinished(before=later)
    too_early = await kept.applications.unfinished(before=START)
    await kept.applications.replace(closing, closing.reopened("v1"))

    assert found == [closing]
    assert too_early == []
    assert await kept.applications.unfinished(before=later) == []


async def test_only_the_same_application_is_removed(kept: Kept) -> None:
    await kept.applications.add(application())

    await kept.applications.remove(replace(application(), attempt="another"))
    still_there = await kept.applications.find(OLIVES)
    await kept.applications.remove(application())

    assert still_there is not None
    assert await kept.applications.find(OLIVES) is None


async def put(kept: Kept, value: int, service: str, version: AppVersionName | None = None) -> None:
    await kept.configurations.put({"n": value}, change(service, version))


async def test_a_version_beats_its_application(kept: Kept) -> None:
    await put(kept, 1, "epmx")
    inherited = await kept.configurations.effective(V1, service="epmx")
    await put(kept, 2, "epmx", V1)
    await put(kept, 3, "epmx", V1)

    assert inherited == {"n": 1}
    assert await kept.configurations.effective(V1, service="epmx") == {"n": 3}
    assert await kept.configurations.effective(V1, service="kpc") is None
    assert await kept.configurations.find(service="epmx", application=OLIVES, version=None) == {"n": 1}


async def test_an_application_named_as_a_version_is_another_place(kept: Kept) -> None:
    await put(kept, 1, "epmx", V1)

    named_alike = await kept.configurations.find(
        service="epmx", application=ApplicationName("olives-v1"), version=None
    )

    assert named_alike is None


async def test_any_json_survives(kept: Kept) -> None:
    value: Json = {"$set": {"a.b": [1, 1.0, None]}, "": {}}

    await kept.configurations.put(value, change("bcx"))

    found = await kept.configurations.find(service="bcx", application=OLIVES, version=None)
    assert repr(found) == repr(value)


@pytest.mark.parametrize("version", [None, V1], ids=["application", "version"])
async def test_of_two_that_change_a_configuration_one_wins(
    kept: Kept, version: AppVersionName | None
) -> None:
    place: Json = {"service": "epmx", "application": OLIVES, "version": version}

    async def both(names: str) -> list[bool]:
        before = await kept.configurations.standing(**place)
        return [
            await kept.configurations.replace(before, {"n": name}, change("epmx", version, attempt=name))
            for name in names
        ]

    assert await both("ab") == [True, False]
    assert await both("cd") == [True, False]
    standing = await kept.configurations.standing(**place)
    assert standing == Standing(configuration={"n": "c"}, attempt="c")
    kept.clock.pass_s(1)
    assert [each.attempt for each in await kept.configurations.untold(before=kept.clock.now())] == ["c"]


async def test_a_configuration_that_was_removed_meanwhile_is_not_changed(kept: Kept) -> None:
    await put(kept, 1, "epmx")
    before = await kept.configurations.standing(service="epmx", application=OLIVES, version=None)
    await kept.configurations.remove(application=OLIVES, version=None)

    assert not await kept.configurations.replace(before, {"n": 2}, change("epmx", attempt="b"))
    assert await kept.configurations.standing(service="epmx", application=OLIVES, version=None) is None


async def test_all_of_a_service_is_found_or_that_for_some_applications(kept: Kept) -> None:
    figs = ConfigurationChange(service="epmx", application=ApplicationName("figs"), version=None, attempt="a")
    await put(kept, 1, "epmx")
    await put(kept, 2, "epmx", V1)
    await put(kept, 3, "kpc")
    await kept.configurations.put({"n": 4}, figs)

    async def found(service: str, applications: list[str] | None) -> set[tuple[str, str | None, Json]]:
        return {
            (each.application, each.version, each.document["n"])
            async for each in kept.configurations.of_service(service, applications=applications)
        }

    olives = {("olives", None, 1), ("olives", V1, 2)}
    assert await found("epmx", None) == olives | {("figs", None, 4)}
    assert await found("epmx", ["olives", "oaks"]) == olives
    assert await found("epmx", []) == await found("bcx", None) == set()


async def test_what_is_removed_is_the_versions_or_all(kept: Kept) -> None:
    await put(kept, 1, "epmx")
    await put(kept, 2, "epmx", V1)
    await put(kept, 3, "kpc", V1)

    await kept.configurations.remove(application=OLIVES, version=V1)
    left = await kept.configurations.effective(V1, service="epmx")
    await kept.configurations.remove(application=OLIVES, version=None)

    assert left == {"n": 1}
    assert await kept.configurations.effective(V1, service="epmx") is None


async def test_an_application_is_untold_from_each_change_until_it_was_told_as_it_is(kept: Kept) -> None:
    first = application()
    second = with_v1(first)
    await kept.applications.add(first)
    too_early = await kept.applications.untold(before=kept.clock.now())
    kept.clock.pass_s(1)

    new = await kept.applications.untold(before=kept.clock.now())
    await kept.applications.forget_told(first)
    await kept.applications.replace(first, second)
    kept.clock.pass_s(1)
    await kept.applications.forget_told(first)
    changed = await kept.applications.untold(before=kept.clock.now())
    await kept.applications.forget_told(second)

    assert (too_early, new, changed) == ([], [first], [second])
    assert await kept.applications.untold(before=kept.clock.now()) == []
    assert await kept.applications.find(OLIVES) == second


async def test_a_configuration_is_untold_from_each_change_until_that_was_told(kept: Kept) -> None:
    first, second, other = change("epmx", V1), change("epmx", V1, attempt="b"), change("kpc")
    await kept.configurations.put({"n": 1}, first)
    too_early = await kept.configurations.untold(before=kept.clock.now())
    await kept.configurations.put({"n": 2}, second)
    await kept.configurations.put({"n": 3}, other)
    kept.clock.pass_s(1)

    await kept.configurations.forget_told(first)
    await kept.configurations.forget_told(other)
    left = await kept.configurations.untold(before=kept.clock.now())
    await kept.configurations.forget_told(second)

    assert (too_early, left) == ([], [second])
    assert await kept.configurations.untold(before=kept.clock.now()) == []
    assert await kept.configurations.find(service="epmx", application=OLIVES, version=V1) == {"n": 2}
