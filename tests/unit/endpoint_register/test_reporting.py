"""What transports report: that they live, and whom they have heard."""

from datetime import timedelta

import pytest

from libs.contracts.applications import CreateVersion, NewAppVersion
from libs.contracts.connectivity import AliveReport, Seen, SeenReport
from libs.contracts.errors import BadRequestError
from libs.contracts.ids import AppVersionName
from libs.contracts.instants import unix_ms
from services.endpoint_register.domain.connectivity import Run, RunState
from services.endpoint_register.domain.endpoint import Endpoint
from services.endpoint_register.usecases.presence import take_in
from services.endpoint_register.usecases.reporting import report_alive, report_seen
from services.endpoint_register.usecases.versions import create_version
from tests.support.rest import Json
from tests.unit.endpoint_register.conftest import NewTwin
from tests.unit.endpoint_register.fakes import World
from tests.unit.endpoint_register.test_connectivity import connected
from tests.unit.endpoint_register.test_presence import of

HOUR_MS = 3_600_000


async def alive(world: World, *, bindings: int = 1, leaving: bool = False) -> bool:
    report = AliveReport(run_id="one", bindings=bindings, leaving=leaving)
    return await report_alive(report, parts=world.parts)


def seen_by(
    world: World, twin: Endpoint, *, ago_s: float = 0.0, ahead_ms: int = 0, **fields: Json
) -> SeenReport:
    now_ms = unix_ms(world.clock.now()) + ahead_ms
    version = fields.pop("version", "olives-v1")
    seen = Seen(now_ms - int(ago_s * 1000), version)
    values: Json = {"transport": "HTTP", "endpoints": {twin.id: seen}, "timestamp": now_ms, **fields}
    return SeenReport(**values)


@pytest.fixture
async def twin(world: World, new_twin: NewTwin) -> Endpoint:
    await create_version(
        CreateVersion(application_name="olives", body=NewAppVersion(name_suffix="v2")), parts=world.parts
    )
    return await new_twin()


async def test_a_process_nobody_knows_says_again_whom_it_holds(world: World) -> None:
    assert await alive(world)

    assert world.runs.kept["one"].state is RunState.OWING


async def test_it_is_asked_again_after_a_minute_and_not_before(world: World) -> None:
    answers = [await alive(world)]
    for _ in range(13):
        world.clock.pass_s(5)
        answers.append(await alive(world))

    assert [number for number, asked in enumerate(answers) if asked] == [0, 12]


async def test_every_report_is_a_sign_of_life(world: World) -> None:
    stamps = set()
    for _ in range(3):
        await alive(world)
        stamps.add(world.runs.kept["one"].stamp)

    assert len(stamps) == 3


async def test_whoever_holds_nothing_owes_nothing(world: World) -> None:
    await alive(world)

    assert not await alive(world, bindings=0)
    assert world.runs.kept["one"].state is RunState.ALIVE


async def test_whoever_is_being_ended_is_asked_when_that_is_over(world: World) -> None:
    ending = Run(run_id="one", state=RunState.ENDING, stamp="s")
    await world.runs.add(ending)

    assert not await alive(world)
    assert world.runs.kept["one"] == ending
    await world.runs.remove(ending)
    assert await alive(world)


async def test_whoever_leaves_is_watched_for_what_it_forgot_to_end(world: World) -> None:
    await alive(world)
    before = dict(world.runs.kept)

    assert not await alive(world, bindings=0, leaving=True)
    assert world.runs.kept == before


async def test_a_process_without_a_name_is_refused(world: World) -> None:
    with pytest.raises(BadRequestError):
        await report_alive(AliveReport(run_id="a/b"), parts=world.parts)


async def test_a_request_over_http_counts_as_being_heard(world: World, twin: Endpoint) -> None:
    await report_seen(seen_by(world, twin, ago_s=7), parts=world.parts)

    record = world.connectivity.kept[twin.id]
    assert (record.connected, record.transport) == (False, "HTTP")
    assert record.last_seen == world.clock.now() - timedelta(seconds=7)


async def test_it_is_written_at_most_once_a_minute(world: World, twin: Endpoint) -> None:
    for _ in range(30):
        await report_seen(seen_by(world, twin), parts=world.parts)
        world.clock.pass_s(10)

    assert world.connectivity.writes == 5


@pytest.mark.parametrize("ahead_ms", [pytest.param(HOUR_MS, id="fast"), pytest.param(-HOUR_MS, id="slow")])
async def test_a_clock_an_hour_off_changes_nothing(world: World, twin: Endpoint, ahead_ms: int) -> None:
    await report_seen(seen_by(world, twin, ago_s=7, ahead_ms=ahead_ms), parts=world.parts)

    assert world.connectivity.kept[twin.id].last_seen == world.clock.now() - timedelta(seconds=7)


@pytest.mark.parametrize("transport", ["HTTP", "MQTT"])
async def test_an_endpoint_that_is_not_connected_follows_the_version_it_speaks_for(
    world: World, twin: Endpoint, transport: str
) -> None:
    await report_seen(seen_by(world, twin, version="olives-v2", transport=transport), parts=world.parts)

    assert world.endpoints.kept[twin.id].version == "olives-v2"


async def test_a_connection_decides_the_version_while_there_is_one(world: World, twin: Endpoint) -> None:
    await take_in([of(twin, connected(1))], parts=world.parts)

    await report_seen(seen_by(world, twin, version="olives-v2"), parts=world.parts)
    await report_seen(seen_by(world, twin, version="olives-v2", transport="MQTT"), parts=world.parts)

    assert world.endpoints.kept[twin.id].version == "olives-v1"


async def test_strangers_are_not_noted(world: World, twin: Endpoint) -> None:
    foreign = seen_by(world, twin, version="figs-v1")
    nobody = SeenReport(transport="HTTP", endpoints={"nobody": Seen(0, AppVersionName("olives-v1"))})

    for report in (foreign, nobody):
        await report_seen(report, parts=world.parts)

    assert world.connectivity.kept == {}


async def test_too_many_at_once_are_refused(world: World) -> None:
    crowd = {f"tree{number}": Seen(0, "olives-v1") for number in range(1001)}

    with pytest.raises(BadRequestError):
        await report_seen(SeenReport(transport="HTTP", endpoints=crowd), parts=world.parts)
