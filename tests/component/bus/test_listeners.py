"""Events are made only as far as somebody listens."""

from collections.abc import Iterator

import pytest

from libs.bus import Bus
from libs.contracts.data_events import DataSamplesEvent
from tests.component.bus.conftest import Connect
from tests.support.waiting import eventually


def events(count: int, made: list[int]) -> Iterator[DataSamplesEvent]:
    for number in range(count):
        made.append(number)
        yield DataSamplesEvent(
            app_version_name="grove-v1", endpoint_id="tree", data_samples=[], position=number
        )


async def test_only_the_first_event_of_an_unheard_subject_is_made(bus: Bus) -> None:
    made: list[int] = []

    sent = await bus.tell({f"{bus.subjects.root}.events.unheard": events(100, made)})

    assert (sent, made) == (1, [0])


async def test_who_listens_hears_every_event_once_and_in_order(bus: Bus, connect: Connect) -> None:
    other = await connect()
    heard: list[int] = []
    subject = f"{bus.subjects.root}.events.heard"
    await other.listen(subject, DataSamplesEvent, lambda event: heard.append(event.position))

    await bus.tell({subject: events(100, []), f"{subject}.not": events(9, []), f"{subject}.none": iter(())})

    async def all_heard() -> bool:
        return len(heard) >= 100

    await eventually(all_heard, what="100 events")
    assert heard == list(range(100))


@pytest.mark.parametrize("times", [3], ids=["thrice"])
async def test_who_begins_to_listen_hears_the_next_events(bus: Bus, connect: Connect, times: int) -> None:
    subject = f"{bus.subjects.root}.events.late"
    for _ in range(times):
        await bus.tell({subject: events(5, [])})
    other = await connect()
    heard: list[int] = []
    await other.listen(subject, DataSamplesEvent, lambda event: heard.append(event.position))

    sent = await bus.tell({subject: events(5, [])})

    assert sent == 5
