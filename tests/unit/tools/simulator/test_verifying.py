from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from tools.simulator.ledger import Ledger
from tools.simulator.problem import SimulatorError
from tools.simulator.rest import AwayError, Device
from tools.simulator.verifying import Verifier

_DEVICES = [Device("a", "olives-v1", "t1"), Device("b", "olives-v1", "t2")]
Answer = dict[str, Counter[int]] | Exception


class InMemoryArchive:
    """Answers in turn, the last one for ever."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, ...]] = []

    async def stored(
        self, application: str, endpoint_ids: Sequence[str], *, since: datetime, until: datetime
    ) -> dict[str, Counter[int]]:
        self.asked.append((application, *endpoint_ids))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return {name: answer[name] for name in endpoint_ids}


async def found(archive: InMemoryArchive, *, deadline_s: float = 5.0) -> Sequence[Counter[int]] | str:
    ledger = Ledger(2)
    for tree in (0, 1):
        ledger.acknowledge(tree, ledger.next_number(tree), took_s=0.0)
    since = datetime(2026, 11, 26, tzinfo=UTC)
    return await Verifier(archive, _DEVICES, since=since, deadline_s=deadline_s).found(ledger)


async def test_only_trees_that_miss_something_are_asked_for_again() -> None:
    late = InMemoryArchive({"a": Counter((1,)), "b": Counter()}, {"a": Counter(), "b": Counter((1,))})

    assert await found(late) == [Counter((1,)), Counter((1,))]
    assert late.asked == [("olives", "a", "b"), ("olives", "b")]


async def test_what_never_comes_is_missing_when_time_is_up() -> None:
    archive = InMemoryArchive({"a": Counter((1,)), "b": Counter()})

    assert await found(archive, deadline_s=0.01) == [Counter((1,)), Counter()]


async def test_an_api_that_is_away_for_a_moment_is_asked_again() -> None:
    archive = InMemoryArchive(AwayError("503"), {"a": Counter((1,)), "b": Counter((1,))})

    assert await found(archive) == [Counter((1,)), Counter((1,))]


async def test_an_api_that_stays_away_is_no_loss() -> None:
    assert await found(InMemoryArchive(AwayError("no answer")), deadline_s=0.01) == "no answer"


async def test_a_refusal_is_told_at_once() -> None:
    assert await found(InMemoryArchive(SimulatorError("key was revoked"))) == "key was revoked"
