"""A session survives whatever comes: 20,000 mutated packets here, a million in ``make soak``."""

import random
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context

import pytest

from libs.mqtt import Event, Limits, ProtocolVersion, SessionState
from libs.mqtt.acknowledging import AcknowledgementLine
from libs.mqtt.fields import Reader
from libs.mqtt.framing import InputBuffer
from libs.mqtt.publishing import PublishReader
from tests.support.mqtt_mutator import CORPUS, Case, cases, judge, mutate
from tests.support.mqtt_packets import V5, VERSIONS

_PROCESSES = 2


def run(seed: int, mutated: int) -> tuple[int, int, int]:
    """Judge cases until so many packets were mutated; how many cases, how many packets, how many closed."""
    judged = total = closed = 0
    for case in cases(seed):
        try:
            closed += judge(case)
        except Exception as error:
            raise AssertionError(f"case {judged} of seed {seed} fails: {case!r}") from error
        judged += 1
        total += case.mutated
        if total >= mutated:
            break
    return judged, total, closed


def test_twenty_thousand_mutated_packets_break_nothing(soak_seed: int) -> None:
    judged, total, closed = run(soak_seed, 20_000)

    assert total >= 20_000
    assert 0.3 * judged < closed < judged  # else the mutator misses what it is for


@pytest.mark.soak
def test_a_million_mutated_packets_break_nothing(soak_seed: int) -> None:
    seeds = [soak_seed + 1_000_003 * (index + 1) for index in range(2 * _PROCESSES)]

    with ProcessPoolExecutor(_PROCESSES, mp_context=get_context("spawn")) as pool:
        results = list(pool.map(run, seeds, [250_000] * len(seeds)))

    assert sum(total for _, total, _ in results) >= 1_000_000


def test_a_seed_makes_the_same_cases() -> None:
    def first(seed: int) -> list[Case]:
        return list(islice(cases(seed), 20))

    seed = random.Random(1).getrandbits(32)

    assert first(seed) == first(seed)
    assert first(seed) != first(seed + 1)


def test_the_fast_loops_take_nothing_that_the_careful_path_takes_otherwise(soak_seed: int) -> None:
    """What they tell of 20,000 mutated messages is what reading those packets one by one tells."""
    rng = random.Random(soak_seed)
    taken = 0
    for _ in range(2_500):
        version = rng.choice(VERSIONS)
        good = [data for data in CORPUS[version] if data[0] & 0xF0 == 0x30 and data[0] & 6 < 4]
        stream = b"".join(
            mutate(data, rng, version) if rng.random() < 0.5 else data for data in rng.choices(good, k=8)
        )
        fast, careful = PublishPair(version), PublishPair(version)
        for data in good:  # both have seen the usual topics
            fast.careful(data)
            careful.careful(data)

        at, told = fast.fast(stream)

        assert careful.careful(stream[:at]) == told
        assert careful.line.entries == fast.line.entries
        taken += len(told)
    assert taken > 2_000


class PublishPair:
    """A reader of messages with its line, to be used in either way."""

    def __init__(self, version: int) -> None:
        self._version = ProtocolVersion(version)
        self.line = AcknowledgementLine(SessionState())
        self._reader = PublishReader(self.line, self._version, Limits())

    def fast(self, stream: bytes) -> tuple[int, list[Event]]:
        events: list[Event] = []
        return self._reader.run(stream, 0, len(stream), events), events

    def careful(self, stream: bytes) -> list[Event]:
        events: list[Event] = []
        source = InputBuffer()
        source.add(stream)
        while (frame := source.frame(largest=1_000_000, minimal=self._version == V5)) is not None:
            reader = Reader(stream, frame.start, frame.stop)
            self._reader.read(frame.head & 15, reader, events)
            source.at = frame.stop
        assert source.size == 0
        return events
