"""What a silent transport held is ended and told; nobody who may live is."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from libs.contracts.connectivity import GIVEN_UP, AliveReport, DisconnectedEvent
from libs.contracts.errors import UnavailableError
from libs.contracts.ids import EndpointId
from services.endpoint_register.domain.connectivity import RunState
from services.endpoint_register.usecases.giving_up import Patience, SilenceWatch
from services.endpoint_register.usecases.presence import connectivity_of
from services.endpoint_register.usecases.reporting import report_alive
from tests.unit.endpoint_register.conftest import NewTwin
from tests.unit.endpoint_register.fakes import World
from tests.unit.endpoint_register.test_connectivity import connected, known, place

PATIENCE = Patience(silent_after_s=20, take_over_after_s=10, every_s=0.25)


@dataclass
class Watched:
    """A world with a watch whose time only passes here."""

    world: World
    time_s: float = 1000.0

    def __post_init__(self) -> None:
        self.watch = self.another()

    def another(self) -> SilenceWatch:
        return SilenceWatch(self.world.replica(), patience=PATIENCE, now=lambda: self.time_s)

    async def pass_s(self, seconds: float, *watches: SilenceWatch) -> None:
        for _ in range(round(seconds / PATIENCE.every_s)):
            self.time_s += PATIENCE.every_s
            for watch in watches or (self.watch,):
                await watch.look()

    async def bind(self, *names: str, run: str = "one", at: int = 1) -> None:
        statements = [replace(connected(at, run=run), endpoint_id=EndpointId(name)) for name in names]
        await self.world.connectivity.apply([known(each) for each in statements])

    async def alive(self) -> bool:
        return await report_alive(AliveReport(run_id="one", bindings=1), parts=self.world.parts)

    def online(self) -> set[str]:
        return {each.endpoint_id for each in self.world.connectivity.kept.values() if each.connected}

    def told(self) -> dict[str, str]:
        told: dict[str, str] = {}
        for kind, event in self.world.events.published.values():
            assert kind is GIVEN_UP
            assert isinstance(event, DisconnectedEvent)
            assert event.endpoints.keys() == event.generations.keys()
            told |= event.generations
        return told


@pytest.fixture
async def watched(world: World) -> Watched:
    watched = Watched(world)
    await watched.alive()
    await watched.bind("tree", "bush2")
    return watched


async def test_a_silent_transport_is_ended_told_and_forgotten(watched: Watched) -> None:
    await watched.bind("moved", run="two")

    await watched.pass_s(20)
    before = watched.online()
    await watched.pass_s(0.5)

    assert before == {"tree", "bush2", "moved"}
    assert watched.online() == {"moved"}
    assert watched.told() == {"tree": place(1), "bush2": place(1)}
    assert watched.world.runs.kept == {}


async def test_one_that_says_it_lives_is_left_alone(watched: Watched) -> None:
    for _ in range(20):
        await watched.alive()
        await watched.pass_s(15)

    assert watched.online() == {"tree", "bush2"}


async def test_a_replica_that_has_just_started_has_listened_to_nobody(watched: Watched) -> None:
    await watched.pass_s(19)
    newcomer = watched.another()

    await watched.pass_s(19, newcomer)

    assert watched.online() == {"tree", "bush2"}


async def test_a_cut_begins_the_watch_anew(watched: Watched) -> None:
    await watched.pass_s(19)
    watched.watch.forget()

    await watched.pass_s(19)
    during = watched.online()
    await watched.pass_s(2)

    assert during == {"tree", "bush2"}
    assert watched.online() == set()


async def test_a_process_that_was_frozen_begins_its_watch_anew(watched: Watched) -> None:
    await watched.pass_s(5)
    watched.time_s += 60

    await watched.pass_s(19)

    assert watched.online() == {"tree", "bush2"}


async def test_what_came_back_in_the_last_moment_is_left_alone(watched: Watched) -> None:
    await watched.pass_s(20)
    await watched.alive()

    await watched.pass_s(1)

    assert watched.online() == {"tree", "bush2"}


async def test_two_replicas_end_it_once(watched: Watched) -> None:
    other = watched.another()

    await watched.pass_s(21, watched.watch, other)

    assert watched.told().keys() == {"tree", "bush2"}
    assert len(watched.world.events.attempts) == 1


@pytest.mark.parametrize("where", ["ending", "telling"])
async def test_what_one_replica_did_not_finish_another_does(watched: Watched, where: str) -> None:
    world = watched.world
    failing: Any = world.connectivity if where == "ending" else world.events
    attribute = "ending_failure" if where == "ending" else "failure"
    setattr(failing, attribute, UnavailableError("away"))
    with pytest.raises(UnavailableError):
        await watched.pass_s(21)
    assert world.runs.kept["one"].state is RunState.ENDING
    setattr(failing, attribute, None)
    heir = watched.another()

    await watched.pass_s(11, heir)

    assert watched.online() == set()
    assert watched.told() == {"tree": place(1), "bush2": place(1)}
    assert world.runs.kept == {}


async def test_the_mark_alone_makes_them_offline_for_readers(watched: Watched, new_twin: NewTwin) -> None:
    world = watched.world
    twin = await new_twin()
    await watched.bind(twin.id)
    world.connectivity.ending_failure = UnavailableError("away")
    bound = world.connectivity.kept[twin.id]
    world.connectivity.kept[twin.id] = replace(bound, incarnation=twin.incarnation)

    with pytest.raises(UnavailableError):
        await watched.pass_s(21)

    shown = await connectivity_of([twin], parts=world.parts)
    assert world.connectivity.kept[twin.id].connected
    assert (shown[twin.id].connected, shown[twin.id].since) == (False, None)


async def test_what_is_bound_while_it_ends_is_told_as_well_or_watched_again(watched: Watched) -> None:
    world, late = watched.world, iter(["late1", "late22", "late3", "late44", "late5"])

    async def bind_one() -> None:
        for name in late:
            await watched.bind(name, at=2)
            return

    world.connectivity.before_step = bind_one
    await watched.pass_s(45)

    assert watched.online() == set()
    assert watched.told().keys() >= {"tree", "bush2", "late1", "late22", "late3", "late44", "late5"}


async def test_one_that_returns_is_asked_to_say_again_whom_it_holds(watched: Watched) -> None:
    await watched.pass_s(21)

    assert await watched.alive()
    again = replace(connected(9, of=1), endpoint_id=EndpointId("tree"))
    await watched.world.connectivity.apply([known(again)])

    assert watched.online() == {"tree"}


async def test_a_thousand_and_more_are_told_in_messages_of_a_thousand(watched: Watched) -> None:
    await watched.bind(*(f"tree{number}" for number in range(2500)))

    await watched.pass_s(21)

    assert len(watched.told()) == 2502
    assert len(watched.world.events.published) == 3


async def test_the_root_task_outlives_a_store_that_is_away(watched: Watched) -> None:
    watched.world.runs.failure = UnavailableError("away")

    with pytest.raises(UnavailableError):
        await watched.watch.look()
    watched.world.runs.failure = None
    await watched.watch.look()
