"""Configuration changed in part, and that of many applications at once."""

from datetime import timedelta
from typing import Any

import pytest

from libs.contracts.applications import (
    CreateApplication,
    CreateVersion,
    DeleteVersion,
    GetAppConfig,
    ListAppConfigs,
    NewApplication,
    NewAppVersion,
    PatchAppConfig,
    PutAppConfigs,
)
from libs.contracts.errors import (
    BadRequestError,
    ConflictError,
    ForbiddenError,
    GroveError,
    NotFoundError,
    PayloadTooLargeError,
    UnavailableError,
)
from libs.contracts.ids import ApplicationName, AppVersionName
from services.endpoint_register.domain.configuration import ConfigurationChange, Standing
from services.endpoint_register.usecases.applications import create_application
from services.endpoint_register.usecases.configuring import get_configuration, patch_configuration
from services.endpoint_register.usecases.configuring_many import list_configurations, put_configurations
from services.endpoint_register.usecases.versions import create_version, delete_version
from tests.support.rest import Json
from tests.unit.endpoint_register.fakes import World
from tests.unit.endpoint_register.record_fakes import InMemoryConfigurationRepository

V1 = AppVersionName("olives-v1")
PLACES = [pytest.param(None, id="application"), pytest.param(V1, id="version")]
KEYS: Json = {"metadata-keys": {"model": {"write-enabled": True}, "mac": {}}}


def envelope(applications: Json, *, service: str = "epmx") -> dict[str, Any]:
    return {service: {"kaa": {"applications": applications}}}


def one(own: Json, version: str | None = None, *, service: str = "epmx") -> dict[str, Any]:
    return envelope({"olives": own if version is None else {"versions": {version: own}}}, service=service)


async def put(world: World, own: Json, version: AppVersionName | None = None, service: str = "epmx") -> None:
    change = ConfigurationChange(
        service=service, application=ApplicationName("olives"), version=version, attempt="before"
    )
    await world.configurations.put(own, change)


async def patch(world: World, own: Json, version: str | None = None, **fields: Any) -> Json:  # noqa: ANN401 - fields of the request
    service = fields.pop("service", "epmx")
    cmd = PatchAppConfig(
        application_name="olives",
        service_instance_name=service,
        version_name=version,
        body=one(own, version, service=service),
        **fields,
    )
    return await patch_configuration(cmd, parts=world.parts)


async def put_many(world: World, own: Json, **fields: Any) -> list[tuple[str, str | None]]:  # noqa: ANN401 - as above
    body = envelope(own)
    cmd = PutAppConfigs(service_instance_name="epmx", body=body, **fields)
    found = await put_configurations(cmd, parts=world.parts)
    return [(each.application_name, each.version_name) for each in found.written]


async def listed(world: World, **fields: Any) -> Json:  # noqa: ANN401 - as above
    return await list_configurations(
        ListAppConfigs(service_instance_name="epmx", **fields), parts=world.parts
    )


@pytest.mark.parametrize("version", PLACES)
async def test_a_part_is_changed_and_the_rest_stays(world: World, version: AppVersionName | None) -> None:
    await put(world, KEYS, version)

    answer = await patch(world, {"metadata-keys": {"mac": None, "site": {}}}, version)

    expected = one({"metadata-keys": {"model": {"write-enabled": True}, "site": {}}}, version)
    asked = GetAppConfig(application_name="olives", service_instance_name="epmx", version_name=version)
    assert answer == expected
    assert await get_configuration(asked, parts=world.parts) == expected


async def test_where_nothing_is_configured_a_patch_begins_with_nothing(world: World) -> None:
    assert await patch(world, {"metadata-keys": {"mac": None, "site": {}}}) == one(
        {"metadata-keys": {"site": {}}}
    )


@pytest.mark.parametrize(
    ("own", "path"),
    [
        pytest.param({"metadata-keys": {"mac": 1}}, "olives.metadata-keys.mac: must be an object", id="rule"),
        pytest.param({"x": 1}, "olives: unknown field 'x'", id="field"),
        pytest.param({"versions": {V1: {}}}, "olives.versions: ", id="versions"),
    ],
)
async def test_a_patch_that_leads_to_what_a_put_refuses_is_refused(
    world: World, own: Json, path: str
) -> None:
    await put(world, KEYS)

    with pytest.raises(BadRequestError, match=path):
        await patch(world, own)

    assert world.configurations.kept["epmx", "olives", None] == KEYS


async def test_a_patch_may_not_grow_a_configuration_above_its_limit(world: World) -> None:
    await put(world, {"a": "x" * 200_000}, service="bcx")

    with pytest.raises(PayloadTooLargeError):
        await patch(world, {"b": "x" * 100_000}, service="bcx")


@pytest.mark.parametrize("version", PLACES)
async def test_everybody_is_told_of_a_patch_as_of_a_put(world: World, version: AppVersionName | None) -> None:
    await patch(world, {"metadata-keys": {}}, version)

    assert world.events.names() == ["upsert"]
    assert world.whitelists.forgotten[-1] == ("olives", version)
    assert world.configurations.changes == {}


class Overtaken(InMemoryConfigurationRepository):
    """Somebody else writes between reading and writing, so many times."""

    times = 1

    async def standing(
        self, *, service: str, application: ApplicationName, version: AppVersionName | None
    ) -> Standing | None:
        found = await super().standing(service=service, application=application, version=version)
        if self.times:
            self.times -= 1
            theirs = ConfigurationChange(
                service=service, application=application, version=version, attempt=f"theirs {self.times}"
            )
            await self.put({"metadata-keys": {"theirs": {}}}, theirs)
        return found


@pytest.fixture
def overtaken(world: World) -> World:
    world.configurations = Overtaken(clock=world.clock)
    world.parts = world.replica()
    return world


async def test_of_a_concurrent_change_nothing_is_lost(overtaken: World) -> None:
    answer = await patch(overtaken, {"metadata-keys": {"ours": {}}})

    assert answer == one({"metadata-keys": {"theirs": {}, "ours": {}}})


async def test_a_patch_that_always_comes_second_is_a_409(overtaken: World) -> None:
    overtaken.configurations.times = 10**6  # type: ignore[attr-defined]  # it is the one above

    with pytest.raises(ConflictError):
        await patch(overtaken, {"metadata-keys": {"ours": {}}})


async def test_a_limited_key_patches_nothing_elsewhere(world: World) -> None:
    with pytest.raises(ForbiddenError):
        await patch(world, {}, applications=("figs",))
    with pytest.raises(NotFoundError):
        await patch(world, {}, "olives-v9")


@pytest.fixture
async def two(world: World) -> World:
    """``olives`` with ``olives-v1``, and ``figs`` with ``figs-v1``."""
    await create_application(CreateApplication(body=NewApplication(name="figs")), parts=world.parts)
    await create_version(
        CreateVersion(application_name="figs", body=NewAppVersion(name_suffix="v1")), parts=world.parts
    )
    world.events.forget()
    return world


SEVERAL: Json = {
    "figs": {"metadata-keys": {"f": {}}},
    "olives": {"metadata-keys": {"o": {}}, "versions": {V1: {"metadata-keys": {"v": {}}}}},
}


async def test_several_are_written_told_of_and_listed(two: World) -> None:
    written = await put_many(two, SEVERAL)

    assert written == [("figs", None), ("olives", None), ("olives", V1)]
    assert two.events.names() == ["upsert"] * 3
    assert await listed(two) == envelope(SEVERAL)


async def test_what_several_do_not_name_stays_as_it_is(two: World) -> None:
    await put_many(two, SEVERAL)

    await put_many(two, {"olives": {"versions": {V1: {}}}, "figs": {}})

    assert await listed(two) == envelope({"figs": {}, "olives": SEVERAL["olives"] | {"versions": {V1: {}}}})


@pytest.mark.parametrize(
    ("applications", "error"),
    [
        pytest.param({"olives": {}, "oaks": {}}, NotFoundError, id="no application"),
        pytest.param({"olives": {"versions": {"olives-v9": {}}}, "figs": {}}, NotFoundError, id="no version"),
        pytest.param({"olives": {"versions": {"figs-v1": {}}}}, NotFoundError, id="another's version"),
        pytest.param({"olives": {}, "figs": {"x": 1}}, BadRequestError, id="wrong"),
        pytest.param({}, BadRequestError, id="nothing"),
    ],
)
async def test_where_one_is_refused_none_is_written(
    two: World, applications: Json, error: type[GroveError]
) -> None:
    with pytest.raises(error):
        await put_many(two, applications)

    assert two.configurations.kept == {}
    assert two.events.names() == []


async def test_a_limited_key_neither_sees_nor_writes_others(two: World) -> None:
    await put_many(two, SEVERAL)

    with pytest.raises(ForbiddenError):
        await put_many(two, {"figs": {}, "olives": {}}, applications=("figs",))

    assert await listed(two, applications=("figs",)) == envelope({"figs": SEVERAL["figs"]})
    assert await listed(two, applications=()) == envelope({})
    assert await listed(two) == envelope(SEVERAL)


class Failing(InMemoryConfigurationRepository):
    """The store goes away after so many writes."""

    left = 2

    async def put(self, configuration: Json, change: ConfigurationChange) -> None:
        if not self.left:
            raise UnavailableError("the store is away")
        self.left -= 1
        await super().put(configuration, change)


async def test_a_failure_on_the_way_tells_how_far_it_came_and_again_completes_it(two: World) -> None:
    two.configurations = Failing(clock=two.clock)
    two.parts = two.replica()

    with pytest.raises(UnavailableError, match=r"2 of 3 configurations are written, then .*olives-v1"):
        await put_many(two, SEVERAL)

    assert await listed(two) == envelope({**SEVERAL, "olives": {"metadata-keys": {"o": {}}}})
    assert two.events.names() == ["upsert"] * 2
    two.configurations.left = 3
    await put_many(two, SEVERAL)
    assert await listed(two) == envelope(SEVERAL)


async def test_a_bus_that_is_away_is_waited_for_once_and_the_sweeper_tells_all(two: World) -> None:
    two.events.failure = UnavailableError("the stream is away")

    await put_many(two, SEVERAL)

    assert len(two.events.attempts) == 1
    assert len(await two.configurations.untold(before=two.clock.now() + timedelta(seconds=1))) == 3


async def test_only_what_exists_is_listed(two: World) -> None:
    await put_many(two, SEVERAL)
    await put(two, KEYS, AppVersionName("olives-v8"))
    await delete_version(DeleteVersion(application_name="figs", version_name="figs-v1"), parts=two.parts)
    del two.applications.kept[ApplicationName("figs")]

    assert await listed(two) == envelope({"olives": SEVERAL["olives"]})


async def test_more_than_an_answer_holds_is_a_413(two: World) -> None:
    for number in range(3):
        await put(two, {"a": "x" * 200_000}, AppVersionName(f"olives-v{number}"))

    with pytest.raises(PayloadTooLargeError, match="application by application"):
        await listed(two)
