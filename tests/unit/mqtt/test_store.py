"""SessionStore: what waits for its client is bounded in count, bytes and time."""

import pytest

from libs.mqtt import Limits, SessionState, SessionStore
from libs.mqtt.outgoing import Message
from libs.mqtt.state import Kept


def test_a_state_is_taken_once() -> None:
    store, state = SessionStore(10, 100_000), SessionState()
    store.put("a", state, 60, 0.0)

    assert store.take("a", 59.9) is state
    assert store.take("a", 59.9) is None
    assert store.take("b", 0.0) is None
    assert (len(store), store.size_bytes) == (0, 0)


@pytest.mark.parametrize(("asked", "lives"), [(60, 60), (7200, 3600), (0xFFFFFFFF, 3600)])
def test_a_state_expires_and_never_is_an_hour(asked: int, lives: float) -> None:
    """[MQTT-3.1.2-23]."""
    store = SessionStore(10, 100_000)
    store.put("a", SessionState(), asked, 100.0)
    store.put("b", SessionState(), asked, 100.0)

    assert store.take("a", 100.0 + lives) is None
    assert store.expire(99.9 + lives) == 0
    assert store.expire(100.0 + lives) == 1

    assert store.dropped_expired == 2
    assert store.size_bytes == 0


def test_expiry_0_keeps_nothing_and_ends_what_was_kept() -> None:
    store = SessionStore(10, 100_000)
    store.put("a", SessionState(), 60, 0.0)

    store.put("a", SessionState(), 0, 0.0)

    assert store.take("a", 0.0) is None


def test_the_oldest_make_way_for_the_younger() -> None:
    store = SessionStore(2, 100_000)
    for name in "abca":
        store.put(name, SessionState(), 60, 0.0)

    assert store.dropped_full == 2
    assert store.take("b", 0.0) is None
    assert store.take("a", 0.0) is not None
    assert store.take("c", 0.0) is not None


def test_bytes_are_bounded_as_well() -> None:
    store = SessionStore(1000, 10_000)
    for number in range(100):
        store.put(str(number), SessionState(), 60, 0.0)
    assert store.size_bytes <= 10_000
    assert 5 < len(store) < 20
    large = SessionState()
    large.keep(1, Kept("o", Message("t", b"x" * 9_500)), Limits())

    store.put("large", large, 60, 0.0)
    assert store.size_bytes <= 10_000 or len(store) == 0
    large.keep(2, Kept("o", Message("t", b"x" * 9_500)), Limits())
    store.put("large", large, 60, 0.0)

    assert store.take("large", 0.0) is None
    assert store.size_bytes <= 10_000


def test_discard_forgets() -> None:
    store = SessionStore(10, 100_000)
    store.put("a", SessionState(), 60, 0.0)

    store.discard("a")
    store.discard("a")

    assert len(store) == 0
