"""The budget of bytes: who is stopped, who goes on first, and who is cut off."""

import asyncio

from services.mqtt_transport.listener.intake import Intake

LIMIT = 1000


class Client:
    """A connection that notes what it is told."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self.gone = False
        self.reads = intake.enter(self)

    def budget_changed(self, *, full: bool) -> None:
        self.reads = not full

    def cut_off(self) -> None:
        self.gone = True
        self._intake.leave(self)

    def holds(self, count: int) -> None:
        self._intake.hold_waiting(self, count)


async def settled() -> None:
    """Let everything happen that was put off to the next turns of the loop."""
    for _ in range(100):
        await asyncio.sleep(0)


def clients(intake: Intake, count: int) -> list[Client]:
    return [Client(intake) for _ in range(count)]


async def test_a_full_budget_stops_everybody_and_newcomers() -> None:
    intake = Intake(LIMIT)
    early = clients(intake, 3)

    intake.take(LIMIT)
    late = Client(intake)

    assert [each.reads for each in [*early, late]] == [False] * 4
    assert (intake.held_bytes, intake.stopped) == (LIMIT, 4)


async def test_everybody_goes_on_once_a_fifth_is_free() -> None:
    intake = Intake(LIMIT)
    everyone = clients(intake, 100)
    intake.take(LIMIT)

    intake.give(200)
    await settled()
    stopped = intake.stopped
    intake.give(1)
    await settled()

    assert stopped == 100
    assert all(each.reads for each in everyone)
    assert intake.stopped == 0


async def test_those_go_on_first_that_have_waited_longest() -> None:
    intake = Intake(LIMIT)
    everyone = clients(intake, 100)
    intake.take(LIMIT)

    intake.give(LIMIT)
    await asyncio.sleep(0)
    intake.take(LIMIT)  # full again after a few
    early = [each.reads for each in everyone]
    intake.give(LIMIT)
    await asyncio.sleep(0)

    assert not any(early)
    assert [each.reads for each in everyone[32:64]] == [True] * 32
    assert not any(each.reads for each in everyone[:32])


async def test_those_that_left_while_stopped_leave_nothing_behind() -> None:
    intake = Intake(LIMIT)
    intake.take(LIMIT)

    for _ in range(1000):
        intake.leave(Client(intake))
    stays = Client(intake)
    intake.give(LIMIT)
    await settled()

    assert (intake.stopped, stays.reads) == (0, True)


async def test_one_that_left_is_told_nothing() -> None:
    intake = Intake(LIMIT)
    gone, stays = clients(intake, 2)

    intake.leave(gone)
    intake.take(LIMIT)

    assert (gone.reads, stays.reads) == (True, False)


async def test_unfinished_packets_count() -> None:
    intake = Intake(LIMIT)
    client, other = clients(intake, 2)

    client.holds(400)
    intake.take(600)
    stopped = not other.reads
    client.holds(0)
    await settled()

    assert stopped
    assert other.reads
    assert intake.held_bytes == 600


async def test_above_half_the_budget_the_oldest_unfinished_packet_is_cut_off() -> None:
    intake = Intake(LIMIT)
    old, younger, youngest = clients(intake, 3)

    old.holds(200)
    younger.holds(200)
    youngest.holds(200)

    assert (old.gone, younger.gone, youngest.gone) == (True, False, False)
    assert intake.held_bytes == 400


async def test_who_finishes_packets_is_not_the_oldest() -> None:
    intake = Intake(LIMIT)
    busy, slow, newcomer = clients(intake, 3)

    busy.holds(200)
    slow.holds(200)
    busy.holds(100)  # one was finished, the next has begun
    newcomer.holds(300)

    assert (busy.gone, slow.gone, newcomer.gone) == (False, True, False)


async def test_slow_senders_never_keep_a_newcomer_out() -> None:
    intake = Intake(LIMIT)
    slow = clients(intake, 50)
    for size in range(1, 50):
        for each in slow:
            if not each.gone:
                each.holds(size)

    newcomer = Client(intake)
    newcomer.holds(450)
    newcomer.holds(0)

    assert newcomer.reads
    assert not newcomer.gone


async def test_one_packet_larger_than_half_the_budget_cuts_off_its_sender() -> None:
    intake = Intake(LIMIT)
    client = Client(intake)

    client.holds(501)

    assert client.gone
    assert intake.held_bytes == 0


async def test_what_a_client_held_is_free_when_it_leaves() -> None:
    intake = Intake(LIMIT)
    client, other = clients(intake, 2)
    client.holds(500)
    intake.take(500)

    intake.leave(client)
    await settled()

    assert intake.held_bytes == 500
    assert other.reads
