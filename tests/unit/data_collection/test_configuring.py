"""Configuration of time series changed in part, and that of many applications at once."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from libs.contracts.app_configs import Configuration
from libs.contracts.applications import ListAppConfigs, PatchAppConfig, PutAppConfigs
from libs.contracts.errors import (
    BadRequestError,
    ConflictError,
    ForbiddenError,
    GroveError,
    NotFoundError,
    UnavailableError,
)
from services.data_collection.domain.configuration import Standing
from services.data_collection.usecases.configuring import (
    ConfigurationParts,
    list_configurations,
    patch_configuration,
    put_configurations,
)
from tests.support.rest import Json
from tests.support.time_series import InMemoryConfigurationRepository, KnownApplications

V1 = "olives-v1"
PLACES = [pytest.param(None, id="application"), pytest.param(V1, id="version")]


@dataclass
class Told:
    """Remembers of which places everybody was told, unless nobody can be."""

    places: list[tuple[str, str | None]] = field(default_factory=list)
    attempts: int = 0
    away: bool = False

    async def changed(self, *, application: str, version: str | None, instance: str) -> None:
        del instance
        self.attempts += 1
        if self.away:
            raise UnavailableError
        self.places.append((application, version))


@dataclass
class Grove:
    documents: InMemoryConfigurationRepository = field(default_factory=InMemoryConfigurationRepository)
    applications: KnownApplications = field(default_factory=lambda: KnownApplications("olives", "figs"))
    told: Told = field(default_factory=Told)

    @property
    def parts(self) -> ConfigurationParts:
        return ConfigurationParts(
            documents=self.documents, applications=self.applications, announcements=self.told
        )

    async def put(self, own: Json, version: str | None = None, *, life: str = "1") -> None:
        await self.documents.put(own, instance="dcx", application="olives", version=version, incarnation=life)

    async def patch(self, own: Json, version: str | None = None, **fields: Any) -> Json:  # noqa: ANN401 - fields of the request
        cmd = PatchAppConfig(
            application_name="olives",
            service_instance_name="dcx",
            version_name=version,
            body=one(own, version),
            **fields,
        )
        return await patch_configuration(cmd, parts=self.parts)

    async def put_many(self, own: Json, **fields: Any) -> list[tuple[str, str | None]]:  # noqa: ANN401 - as above
        cmd = PutAppConfigs(service_instance_name="dcx", body=envelope(own), **fields)
        found = await put_configurations(cmd, parts=self.parts)
        return [(each.application_name, each.version_name) for each in found.written]

    async def listed(self, **fields: Any) -> Json:  # noqa: ANN401 - as above
        cmd = ListAppConfigs(service_instance_name="dcx", **fields)
        return await list_configurations(cmd, parts=self.parts)


@pytest.fixture
def grove() -> Grove:
    return Grove()


def envelope(applications: Json) -> dict[str, Any]:
    return {"dcx": {"kaa": {"applications": applications}}}


def one(own: Json, version: str | None = None) -> dict[str, Any]:
    return envelope({"olives": own if version is None else {"versions": {version: own}}})


SEVERAL: Json = {
    "figs": {"retention": "9d"},
    "olives": {"retention": "90d", "versions": {V1: {"message-id": {"path": "id"}}}},
}


@pytest.mark.parametrize("version", PLACES)
async def test_a_part_is_changed_the_rest_stays_and_all_are_told(grove: Grove, version: str | None) -> None:
    await grove.put({"retention": "90d", "message-id": {"path": "id"}}, version)

    answer = await grove.patch({"retention": None, "message-id": {"path": "meta.id"}}, version)

    assert answer == one({"message-id": {"path": "meta.id"}}, version)
    assert grove.documents.documents["dcx", "olives", version] == {"message-id": {"path": "meta.id"}}
    assert grove.told.places == [("olives", version)]


async def test_where_nothing_is_configured_a_patch_begins_with_nothing(grove: Grove) -> None:
    assert await grove.patch({"retention": "9d", "message-id": None}) == one({"retention": "9d"})


async def test_what_an_earlier_application_of_this_name_left_is_not_changed_in_part(grove: Grove) -> None:
    await grove.put({"retention": "90d"}, life="earlier")

    assert await grove.patch({"message-id": {"path": "id"}}) == one({"message-id": {"path": "id"}})
    assert grove.documents.put_for["dcx", "olives", None] == "1"


async def test_a_patch_that_leads_to_what_a_put_refuses_is_refused(grove: Grove) -> None:
    await grove.put({"retention": "90d"})

    with pytest.raises(BadRequestError, match=r"applications\.olives\.retention: must be at least"):
        await grove.patch({"retention": "1h"})

    assert grove.documents.documents["dcx", "olives", None] == {"retention": "90d"}
    assert grove.told.places == []


class Overtaken(InMemoryConfigurationRepository):
    """Somebody else writes between reading and writing, so many times."""

    times = 1

    async def replace(self, before: Standing | None, configuration: Configuration, **place: Any) -> bool:  # noqa: ANN401 - handed on
        if self.times:
            self.times -= 1
            await self.put({"retention": f"{9 + self.times % 9}d"}, **place)
        return await super().replace(before, configuration, **place)


async def test_of_a_concurrent_change_nothing_is_lost(grove: Grove) -> None:
    grove.documents = Overtaken()

    assert await grove.patch({"message-id": {"path": "id"}}) == one(
        {"retention": "9d", "message-id": {"path": "id"}}
    )


async def test_a_patch_that_always_comes_second_is_a_409(grove: Grove) -> None:
    grove.documents = Overtaken()
    grove.documents.times = 10**6

    with pytest.raises(ConflictError):
        await grove.patch({"message-id": {"path": "id"}})


async def test_a_limited_key_patches_nothing_elsewhere(grove: Grove) -> None:
    with pytest.raises(ForbiddenError):
        await grove.patch({}, applications=("figs",))


async def test_several_are_written_told_of_and_listed(grove: Grove) -> None:
    written = await grove.put_many(SEVERAL)

    assert written == grove.told.places == [("figs", None), ("olives", None), ("olives", V1)]
    assert await grove.listed() == envelope(SEVERAL)
    assert set(grove.documents.put_for.values()) == {"1"}


@pytest.mark.parametrize(
    ("applications", "error"),
    [
        pytest.param({"olives": {}, "oaks": {}}, NotFoundError, id="no application"),
        pytest.param({"olives": {"versions": {"olives-v9": {}}}}, NotFoundError, id="no version"),
        pytest.param({"olives": {}, "figs": {"retention": "1h"}}, BadRequestError, id="wrong"),
    ],
)
async def test_where_one_is_refused_none_is_written(
    grove: Grove, applications: Json, error: type[GroveError]
) -> None:
    with pytest.raises(error):
        await grove.put_many(applications)

    assert grove.documents.documents == {}
    assert grove.told.places == []


async def test_a_limited_key_neither_sees_nor_writes_others(grove: Grove) -> None:
    await grove.put_many(SEVERAL)

    with pytest.raises(ForbiddenError):
        await grove.put_many({"figs": {}, "olives": {}}, applications=("figs",))

    assert await grove.listed(applications=("figs",)) == envelope({"figs": SEVERAL["figs"]})
    assert await grove.listed() == envelope(SEVERAL)


async def test_what_is_gone_is_not_listed(grove: Grove) -> None:
    await grove.put_many(SEVERAL)
    grove.applications.names.remove("figs")

    assert await grove.listed() == envelope({"olives": SEVERAL["olives"]})


async def test_a_bus_that_is_away_is_waited_for_once(grove: Grove) -> None:
    grove.told.away = True

    assert len(await grove.put_many(SEVERAL)) == 3
    assert grove.told.attempts == 1


async def test_another_instance_is_nothing_to_list_or_write(grove: Grove) -> None:
    cmd = ListAppConfigs(service_instance_name="epmx")

    with pytest.raises(BadRequestError, match="one of epts, dcx"):
        await list_configurations(cmd, parts=grove.parts)
