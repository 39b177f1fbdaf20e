import re
from dataclasses import replace
from typing import Any

import pytest

from libs.contracts.applications import (
    CreateApplication,
    CreateVersion,
    DeleteApplication,
    DeleteVersion,
    DisplayChange,
    GetApplication,
    GetVersion,
    ListApplications,
    NewApplication,
    NewAppVersion,
    PutAppConfig,
    UpdateApplication,
    UpdateVersion,
)
from libs.contracts.errors import (
    BadRequestError,
    ConflictError,
    ForbiddenError,
    GroveError,
    NotFoundError,
    UnavailableError,
)
from libs.contracts.ids import ApplicationName, AppVersionName, EndpointId
from libs.contracts.lifecycle import AppVersionRequest
from services.endpoint_register.domain.application import Lifecycle
from services.endpoint_register.usecases.applications import (
    create_application,
    get_application,
    list_applications,
    update_application,
)
from services.endpoint_register.usecases.configuring import put_configuration
from services.endpoint_register.usecases.emptying import delete_application
from services.endpoint_register.usecases.sweeping import Pace, Sweeper
from services.endpoint_register.usecases.versions import (
    create_version,
    delete_version,
    get_version,
    resolve_version,
    update_version,
)
from tests.support.rest import Json
from tests.unit.endpoint_register.conftest import NewTwin
from tests.unit.endpoint_register.fakes import World

OLIVES = ApplicationName("olives")
PACE = Pace(every_s=1, outbox_after_s=5, creating_after_s=60)
FORCED = DeleteApplication(application_name="olives", force=True)


def creation(limits: tuple[str, ...] | None = None, **fields: Json) -> CreateApplication:
    return CreateApplication(body=NewApplication(**fields), applications=limits)


async def test_a_name_is_generated_unless_given(world: World) -> None:
    application = await create_application(creation(display_name="My Grove"), parts=world.parts)

    assert re.fullmatch("[0-9a-v]{20}", application.name)
    assert application.shown.display_name == "My Grove"


async def test_a_generated_name_that_is_taken_is_drawn_again(world: World) -> None:
    first = await create_application(creation(), parts=world.parts)
    world.entropy.octet = 0

    second = await create_application(creation(), parts=world.parts)

    assert second.name != first.name


async def test_a_given_name_that_is_taken_is_a_conflict(world: World) -> None:
    with pytest.raises(ConflictError):
        await create_application(creation(name="olives"), parts=world.parts)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        pytest.param({"name": "Olives"}, BadRequestError, id="upper case"),
        pytest.param({"name": ""}, BadRequestError, id="empty"),
        pytest.param({"name": "a" * 257}, BadRequestError, id="too long"),
        pytest.param({"display_name": "x" * 257}, BadRequestError, id="long display name"),
        pytest.param({"description": "x" * 1025}, BadRequestError, id="long description"),
        pytest.param({"description": "\U0001f333" * 257}, BadRequestError, id="description of many bytes"),
        pytest.param({"limits": ("olives",)}, ForbiddenError, id="generated under a limited key"),
        pytest.param({"limits": ("olives",), "name": "figs"}, ForbiddenError, id="outside the limits"),
    ],
)
async def test_an_application_that_cannot_be_is_refused(
    world: World, fields: dict[str, Any], error: type[GroveError]
) -> None:
    with pytest.raises(error):
        await create_application(creation(**fields), parts=world.parts)


async def test_texts_change_one_by_one_and_the_name_never(world: World) -> None:
    world.clock.pass_s(10)
    change = UpdateApplication(application_name="olives", body=DisplayChange(description="old trees"))

    changed = await update_application(change, parts=world.parts)

    assert (changed.name, changed.shown.display_name) == ("olives", "olives")
    assert changed.shown.description == "old trees"
    assert changed.shown.updated_at > changed.shown.created_at


@pytest.mark.parametrize(
    ("texts", "limit"),
    [
        pytest.param({"display_name": "x" * 257}, "256 characters", id="display name"),
        pytest.param({"description": "\U0001f333" * 257}, "1024 bytes", id="description"),
    ],
)
async def test_a_text_that_is_too_long_changes_nothing(
    world: World, texts: dict[str, str], limit: str
) -> None:
    before = world.applications.kept[OLIVES]
    change = UpdateApplication(application_name="olives", body=DisplayChange(**texts))

    with pytest.raises(BadRequestError, match=limit):
        await update_application(change, parts=world.parts)

    assert world.applications.kept[OLIVES] == before


async def test_a_limited_key_sees_its_applications_alone(world: World) -> None:
    await create_application(creation(name="figs"), parts=world.parts)

    seen, _ = await list_applications(
        ListApplications(applications=("figs", "gone")), size_of=lambda _: 1, parts=world.parts
    )

    assert [application.name for application in seen] == ["figs"]
    with pytest.raises(ForbiddenError):
        await get_application(
            GetApplication(application_name="olives", applications=("figs",)), parts=world.parts
        )


async def test_a_version_is_named_after_its_application(world: World) -> None:
    version = await get_version(
        GetVersion(application_name="olives", version_name="olives-v1"), parts=world.parts
    )

    assert (version.name, version.shown.display_name) == ("olives-v1", "olives-v1")


async def test_a_suffix_that_is_taken_is_a_conflict(world: World) -> None:
    again = CreateVersion(application_name="olives", body=NewAppVersion(name_suffix="v1"))

    with pytest.raises(ConflictError):
        await create_version(again, parts=world.parts)


@pytest.mark.parametrize("suffix", ["", "V1", "a-b", "v.1"])
async def test_a_suffix_is_letters_and_digits(world: World, suffix: str) -> None:
    with pytest.raises(BadRequestError):
        await create_version(
            CreateVersion(application_name="olives", body=NewAppVersion(name_suffix=suffix)),
            parts=world.parts,
        )


async def test_a_version_can_be_described(world: World) -> None:
    change = UpdateVersion(
        application_name="olives", version_name="olives-v1", body=DisplayChange(display_name="First")
    )

    assert (await update_version(change, parts=world.parts)).shown.display_name == "First"


@pytest.mark.parametrize("name", ["olives-v2", "figs-v1", "v1", "olives"])
async def test_an_unknown_version_is_not_found(world: World, name: str) -> None:
    with pytest.raises(NotFoundError):
        await resolve_version(AppVersionRequest(app_version_name=name), parts=world.parts)


async def test_a_version_resolves_to_its_application_and_extensions(world: World) -> None:
    own = {"allowed-extension-instances": ["epmx"]}
    everywhere = {"allowed-extension-instances": ["dcx"]}
    asked = AppVersionRequest(app_version_name="olives-v1")

    unlimited = await resolve_version(asked, parts=world.parts)
    await configure(world, "kpc", everywhere)
    inherited = await resolve_version(asked, parts=world.parts)
    await configure(world, "kpc", own, version="olives-v1")
    overridden = await resolve_version(asked, parts=world.parts)

    assert unlimited == ("olives", None)
    assert inherited == ("olives", ("dcx",))
    assert overridden == ("olives", ("epmx",))


async def configure(world: World, service: str, own: dict[str, Any], version: str | None = None) -> None:
    placed = own if version is None else {"versions": {version: own}}
    await put_configuration(
        PutAppConfig(
            application_name="olives",
            service_instance_name=service,
            version_name=version,
            body={service: {"kaa": {"applications": {"olives": placed}}}},
        ),
        parts=world.parts,
    )


async def test_everybody_is_told_that_a_configuration_changed(world: World) -> None:
    before = len(world.events.published)

    await configure(world, "epmx", {}, version="olives-v1")

    assert world.events.names()[before:] == ["upsert"]
    assert world.whitelists.forgotten[-1] == ("olives", "olives-v1")


async def test_a_change_stands_even_if_nobody_can_be_told(world: World) -> None:
    world.events.failure = UnavailableError("the stream is away")

    await configure(world, "epmx", {"metadata-keys": {}})

    assert (await world.whitelists.of((await version_of(world)).name)).keys == {}


async def version_of(world: World) -> Json:
    return world.applications.kept[OLIVES].versions["v1"]


async def test_a_version_is_removed_with_its_configuration(world: World) -> None:
    await configure(world, "epmx", {}, version="olives-v1")

    await delete_version(
        DeleteVersion(application_name="olives", version_name="olives-v1"), parts=world.parts
    )

    assert not world.applications.kept[OLIVES].versions
    assert not world.configurations.kept
    assert world.events.names()[-1] == "delete"


async def test_a_version_with_endpoints_stays_and_stays_open(world: World, new_twin: NewTwin) -> None:
    await new_twin()

    with pytest.raises(ConflictError):
        await delete_version(
            DeleteVersion(application_name="olives", version_name="olives-v1"), parts=world.parts
        )

    await new_twin()
    assert not world.applications.kept[OLIVES].is_unfinished


async def test_an_application_with_endpoints_stays_unless_forced(world: World, new_twin: NewTwin) -> None:
    twins = [await new_twin() for _ in range(20)]

    with pytest.raises(ConflictError):
        await delete_application(DeleteApplication(application_name="olives"), parts=world.parts)
    await new_twin()
    await delete_application(FORCED, parts=world.parts)

    assert not world.applications.kept
    assert not world.endpoints.kept
    assert not world.credentials.tokens
    assert world.events.names().count("unregistered") == len(twins) + 1


async def test_whoever_is_there_is_found_without_reading_a_whole_version(
    world: World, new_twin: NewTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(40):
        await new_twin()
    at_version, read = world.endpoints.at_version, []

    async def count(version: AppVersionName, *, limit: int) -> list[EndpointId]:
        read.append(version)
        return await at_version(version, limit=limit)

    monkeypatch.setattr(world.endpoints, "at_version", count)
    with pytest.raises(ConflictError):
        await delete_application(DeleteApplication(application_name="olives"), parts=world.parts)
    with pytest.raises(ConflictError):
        await delete_version(
            DeleteVersion(application_name="olives", version_name="olives-v1"), parts=world.parts
        )
    assert not read
    await delete_application(FORCED, parts=world.parts)

    assert read == ["olives-v1"], "once nobody is listed there any more"
    assert not world.endpoints.kept


async def test_lines_that_mean_nobody_hinder_no_removal(world: World, new_twin: NewTwin) -> None:
    ghost, moved, unlisted = [await new_twin() for _ in range(3)]
    del world.endpoints.kept[ghost.id]
    world.endpoints.kept[moved.id] = replace(moved, version=AppVersionName("olives-v2"), seq=moved.seq + 1)
    del world.listing.lines[unlisted.id]

    with pytest.raises(ConflictError):
        await delete_version(
            DeleteVersion(application_name="olives", version_name="olives-v1"), parts=world.parts
        )
    del world.endpoints.kept[unlisted.id]
    await delete_version(
        DeleteVersion(application_name="olives", version_name="olives-v1"), parts=world.parts
    )

    assert {line.keys["version"] for line in world.listing.lines.values()} == {f"olives/v2/{moved.id}"}


async def test_an_empty_application_is_removed_with_everything_in_it(world: World) -> None:
    await configure(world, "epmx", {})
    await configure(world, "epmx", {}, version="olives-v1")

    await delete_application(DeleteApplication(application_name="olives"), parts=world.parts)

    assert not world.applications.kept
    assert not world.configurations.kept
    with pytest.raises(NotFoundError):
        await delete_application(DeleteApplication(application_name="olives"), parts=world.parts)


@pytest.mark.parametrize("by", ["asking again", "the sweeper"])
async def test_a_forced_removal_that_got_stuck_is_finished_later(
    world: World, new_twin: NewTwin, by: str
) -> None:
    await new_twin()
    world.credentials.refusal = UnavailableError("away")

    with pytest.raises(UnavailableError):
        await delete_application(FORCED, parts=world.parts)
    with pytest.raises(NotFoundError):
        await get_application(GetApplication(application_name="olives"), parts=world.parts)
    with pytest.raises(NotFoundError):
        await new_twin()
    world.credentials.refusal = None
    world.clock.pass_s(6)
    if by == "the sweeper":
        await Sweeper(world.parts, pace=PACE).sweep()
    else:
        await delete_application(FORCED, parts=world.parts)

    assert not world.applications.kept
    assert not world.endpoints.kept


async def test_what_a_dead_replica_closed_is_opened_again(world: World, new_twin: NewTwin) -> None:
    application = world.applications.kept[OLIVES]
    version = application.versions["v1"]
    closed = application.closing(version, at=world.clock.now())
    world.applications.kept[OLIVES] = closed

    with pytest.raises(ConflictError):
        await new_twin()
    world.clock.pass_s(61)
    await Sweeper(world.parts, pace=PACE).sweep()
    await new_twin()

    assert world.applications.kept[OLIVES].lifecycle is Lifecycle.ACTIVE


def test_what_was_opened_again_is_not_removed(world: World) -> None:
    application = world.applications.kept[OLIVES]

    with pytest.raises(ConflictError):
        application.without_version("olives-v1")
    with pytest.raises(ConflictError):
        application.deleting(at=world.clock.now(), force=False)


async def test_a_version_that_meets_itself_is_no_conflict(world: World) -> None:
    world.applications.lost_answers = 1

    version = await create_version(
        CreateVersion(application_name="olives", body=NewAppVersion(name_suffix="v2")), parts=world.parts
    )

    assert version.name == "olives-v2"
    assert list(world.applications.kept[OLIVES].versions) == ["v1", "v2"]
