from bisect import bisect_left, insort
from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.endpoint_register.domain.landmarks import Landmarks, Piece

KEYS = st.text("ab/", min_size=1, max_size=4)


class Cutting(RuleBasedStateMachine):
    """Lines come and go, blocks are cut and joined: a count that is there is right."""

    def __init__(self) -> None:
        super().__init__()
        self.landmarks = Landmarks(size=2)
        self.landmarks.counted(self.landmarks.block(""), 0)
        self.keys: list[str] = []
        self.written: dict[str, bool] = {}
        """Writes on their way, and whether the store has carried them out."""
        self.counting: list[tuple[Piece, int | None, int]] = []

    def within(self, piece: Piece) -> list[str]:
        end = len(self.keys) if piece.high is None else bisect_left(self.keys, piece.high)
        return self.keys[bisect_left(self.keys, piece.low) : end]

    @rule(key=KEYS)
    def begin_to_come(self, key: str) -> None:
        if key not in self.keys and key not in self.written:
            self.landmarks.write_begins(key)
            self.written[key] = False

    @precondition(lambda self: not all(self.written.values()))
    @rule(data=st.data())
    def come(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from([key for key, done in self.written.items() if not done]))
        insort(self.keys, key)
        self.written[key] = True

    @precondition(lambda self: any(self.written.values()))
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from([key for key, done in self.written.items() if done]))
        del self.written[key]
        self.landmarks.changed(key, 1)
        self.landmarks.write_ends(key)

    @rule(key=KEYS)
    def come_unnoticed(self, key: str) -> None:
        if key not in self.keys and key not in self.written:
            insort(self.keys, key)
            self.landmarks.forget(key)

    @rule(key=KEYS, late=st.booleans())
    def begin_to_count(self, key: str, *, late: bool) -> None:
        block = self.landmarks.block(key)
        count = -1 if late else len(self.within(block))
        self.counting.append((block, self.landmarks.moment(block), count))

    @precondition(lambda self: self.counting)
    @rule()
    def end_to_count(self) -> None:
        block, moment, count = self.counting.pop()
        if count < 0:
            count = len(self.within(block))
        if moment is not None and moment == self.landmarks.moment(block):
            self.landmarks.counted(block, count)

    @precondition(lambda self: set(self.keys) - self.written.keys())
    @rule(data=st.data())
    def go(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(set(self.keys) - self.written.keys())))
        self.landmarks.write_begins(key)
        self.keys.remove(key)
        self.landmarks.changed(key, -1)
        self.landmarks.write_ends(key)

    @rule(key=KEYS, places=st.booleans())
    def lose(self, key: str, *, places: bool) -> None:
        if places:
            self.landmarks.place([key])
        else:
            self.landmarks.forget(key)

    @rule()
    def split(self) -> None:
        for block in self.landmarks.large():
            keys = self.within(block)
            exact = self.landmarks.moment(block) is not None
            cuts = self.landmarks.split(keys, exact=exact)
            assert set(cuts) < set(keys)
            assert cuts or not exact
        assert not self.landmarks.large()

    @rule(key=KEYS)
    def join(self, key: str) -> None:
        before = len(self.landmarks.begins)
        gone = self.landmarks.merge(key)
        assert len(self.landmarks.begins) == before - (gone is not None)

    @rule()
    def join_all(self) -> None:
        self.landmarks.compact()
        assert all(self.landmarks.merge(begin) is None for begin in tuple(self.landmarks.begins))

    @rule(low=st.one_of(st.just(""), KEYS), high=st.one_of(st.none(), KEYS))
    def ask(self, low: str, high: str | None) -> None:
        pieces = self.landmarks.pieces(low, high)
        found = [key for piece in pieces for key in self.within(piece)]
        assert found == [key for key in self.keys if low <= key and (high is None or key < high)]
        assert all(one.high == other.low for one, other in pairwise(pieces))

    @invariant()
    def counts_are_right(self) -> None:
        for piece in self.landmarks.pieces("", None):
            on_their_way = [key for key, done in self.written.items() if done and key in self.within(piece)]
            assert piece.count in {None, len(self.within(piece)) - len(on_their_way)}
        assert self.landmarks.begins == sorted({"", *self.landmarks.begins})


TestCutting = Cutting.TestCase
TestCutting.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_nearly_empty_blocks_are_joined_and_full_ones_are_not() -> None:
    landmarks = Landmarks.at(["b", "c"], size=4)
    for key, count in (("a", 1), ("b", 1), ("c", 2)):
        landmarks.counted(landmarks.block(key), count)

    assert landmarks.merge("a") == "b"
    assert landmarks.merge("a") is None
    assert [(piece.low, piece.count) for piece in landmarks.pieces("", None)] == [("", 2), ("c", 2)]


def test_where_a_range_is_asked_for_again_and_again_a_block_begins_for_good() -> None:
    landmarks = Landmarks(size=4)
    landmarks.counted(landmarks.block(""), 0)

    landmarks.place(["figs/", "figs0"])

    assert landmarks.merge("a") is None
    assert landmarks.pieces("figs/", "figs0") == [Piece("figs/", "figs0", 0, whole=True)]
