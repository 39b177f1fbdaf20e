"""Whatever is in it, an application is a message on the bus, and a list of them is pages of messages."""

import pytest

from libs.bus.codec import MAX_MESSAGE_BYTES, encode
from libs.contracts.applications import (
    ApplicationReply,
    CreateApplication,
    CreateVersion,
    DisplayChange,
    ListApplications,
    NewApplication,
    NewAppVersion,
    UpdateVersion,
)
from libs.contracts.errors import ConflictError
from libs.contracts.ids import ApplicationName
from services.endpoint_register.bus_api.bodies import application_body
from services.endpoint_register.domain.application import MAX_VERSIONS, Application
from services.endpoint_register.usecases.applications import PAGE_BYTES, create_application, list_applications
from services.endpoint_register.usecases.versions import create_version, update_version
from tests.unit.endpoint_register.fakes import World


async def full_application(world: World) -> Application:
    """Make the largest application there can be."""
    name = "a" * 256
    await create_application(CreateApplication(body=NewApplication(name=name)), parts=world.parts)
    for number in range(MAX_VERSIONS):
        body = NewAppVersion(
            name_suffix=f"{number:0256}", display_name="\U0001f333" * 256, description="\U0001f333" * 256
        )
        await create_version(CreateVersion(application_name=name, body=body), parts=world.parts)
    return world.applications.kept[ApplicationName(name)]


async def test_the_largest_application_fits_into_a_message_with_room(world: World) -> None:
    reply = ApplicationReply(body=application_body(await full_application(world)))

    assert len(encode(reply)) < MAX_MESSAGE_BYTES // 2


async def test_there_is_a_version_too_many_but_all_can_change(world: World) -> None:
    full = await full_application(world)
    last = list(full.versions.values())[-1]
    one_more = CreateVersion(application_name=full.name, body=NewAppVersion(name_suffix="more"))
    change = UpdateVersion(
        application_name=full.name, version_name=last.name, body=DisplayChange(display_name="Last")
    )

    with pytest.raises(ConflictError, match="100 versions"):
        await create_version(one_more, parts=world.parts)

    assert (await update_version(change, parts=world.parts)).shown.display_name == "Last"


@pytest.mark.parametrize(
    ("size", "pages"),
    [
        pytest.param(1, [40], id="small"),
        pytest.param(PAGE_BYTES // 30, [30, 10], id="some"),
        pytest.param(PAGE_BYTES * 2, [1] * 40, id="each too large"),
    ],
)
async def test_pages_hold_every_application_once(world: World, size: int, pages: list[int]) -> None:
    for number in range(39):
        await create_application(CreateApplication(body=NewApplication(name=f"a{number}")), parts=world.parts)
        world.clock.pass_s(number % 2)

    found: list[Application] = []
    seen: list[int] = []
    after = ""
    while not seen or after:
        page, last = await list_applications(
            ListApplications(after=after), size_of=lambda _: size, parts=world.parts
        )
        seen.append(len(page))
        found += page
        after = "" if last is None else str(last)

    assert seen == pages
    assert found == await world.applications.all(None)
