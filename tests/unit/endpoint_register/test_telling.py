"""Whoever changes applications and configuration may die before it tells; somebody else does, then."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from libs.contracts.applications import (
    CreateApplication,
    CreateVersion,
    DeleteApplication,
    DeleteVersion,
    DisplayChange,
    NewApplication,
    NewAppVersion,
    PutAppConfig,
    UpdateApplication,
    UpdateVersion,
)
from libs.contracts.errors import UnavailableError
from libs.contracts.lifecycle import ConfigurationUpdatedEvent
from libs.contracts.messages import Event
from libs.contracts.subjects import AnyEventType
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.applications import create_application, update_application
from services.endpoint_register.usecases.configuring import put_configuration
from services.endpoint_register.usecases.emptying import delete_application
from services.endpoint_register.usecases.sweeping import Pace, Sweeper
from services.endpoint_register.usecases.versions import create_version, delete_version, update_version
from tests.unit.endpoint_register.fakes import World

PACE = Pace(every_s=1, outbox_after_s=5, creating_after_s=60)

Do = Callable[[Parts], Awaitable[object]]


class DeadError(Exception):
    """The process is gone: nothing after this line happens."""


class Dying:
    """Dies where an event is to be published."""

    async def publish(self, kind: AnyEventType, event: Event, *, message_id: str, deadline_s: float) -> None:
        raise DeadError


def _configure(version: str | None) -> Do:
    own: object = {} if version is None else {"versions": {version: {}}}
    cmd = PutAppConfig(
        application_name="olives",
        service_instance_name="epmx",
        version_name=version,
        body={"epmx": {"kaa": {"applications": {"olives": own}}}},
    )
    return lambda parts: put_configuration(cmd, parts=parts)


CHANGES: dict[str, Do] = {
    "a new application": lambda parts: create_application(
        CreateApplication(body=NewApplication(name="olives2")), parts=parts
    ),
    "a changed application": lambda parts: update_application(
        UpdateApplication(application_name="olives", body=DisplayChange(display_name="O")), parts=parts
    ),
    "a new version": lambda parts: create_version(
        CreateVersion(application_name="olives", body=NewAppVersion(name_suffix="v2")), parts=parts
    ),
    "a changed version": lambda parts: update_version(
        UpdateVersion(
            application_name="olives", version_name="olives-v1", body=DisplayChange(display_name="V")
        ),
        parts=parts,
    ),
    "a removed version": lambda parts: delete_version(
        DeleteVersion(application_name="olives", version_name="olives-v1"), parts=parts
    ),
    "its configuration": _configure(None),
    "a version's configuration": _configure("olives-v1"),
}
EACH_CHANGE = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)


def told(world: World) -> list[tuple[str, str | None, str | None]]:
    events = [event for _, event in world.events.published.values()]
    return [
        (event.app_name, event.app_ver_name, event.service_instance_name)
        for event in events
        if isinstance(event, ConfigurationUpdatedEvent)
    ]


@EACH_CHANGE
async def test_what_whoever_changed_it_did_not_live_to_tell_is_told_by_the_sweeper_once(
    world: World, change: Do
) -> None:
    with pytest.raises(DeadError):
        await change(replace(world.parts, events=Dying()))
    sweeper = Sweeper(world.parts, pace=PACE)

    world.clock.pass_s(4)
    await sweeper.sweep()
    too_early = told(world)
    world.clock.pass_s(2)
    for _ in range(2):
        await sweeper.sweep()

    assert too_early == []
    (event,) = told(world)
    assert len(world.events.attempts) == 1
    assert event[0].startswith("olives")
    assert event[1] in {None, "olives-v1"}


@EACH_CHANGE
async def test_what_cannot_be_told_now_is_told_later(world: World, change: Do) -> None:
    world.events.failure = UnavailableError("the stream is away")
    await change(world.parts)
    world.clock.pass_s(6)
    sweeper = Sweeper(world.parts, pace=PACE)

    await sweeper.sweep()
    world.events.failure = None
    await sweeper.sweep()

    assert len(told(world)) == 1


@EACH_CHANGE
async def test_what_was_told_is_not_told_again(world: World, change: Do) -> None:
    await change(world.parts)
    world.clock.pass_s(6)

    await Sweeper(world.parts, pace=PACE).sweep()

    assert len(world.events.attempts) == 1


async def test_an_application_is_not_dropped_before_everybody_has_heard(world: World) -> None:
    removal = DeleteApplication(application_name="olives")
    world.events.failure = UnavailableError("the stream is away")
    with pytest.raises(UnavailableError, match="not everybody has heard"):
        await delete_application(removal, parts=world.parts)
    kept = dict(world.applications.kept)
    world.events.failure = None
    world.clock.pass_s(6)

    await Sweeper(world.parts, pace=PACE).sweep()

    assert list(kept) == ["olives"]
    assert not world.applications.kept
    assert told(world) == [("olives", None, None)]
    assert world.events.names() == ["delete"]
