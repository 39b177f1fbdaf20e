"""Client ids and the rate of CONNECTs, with a clock of the test's own."""

from libs.mqtt import SessionState, SessionStore
from services.mqtt_transport.usecases.clients import Clients, Pace


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Connected:
    """A connection under a client id."""

    def __init__(self, state: SessionState | None = None) -> None:
        self._state = state
        self.ended = False

    def taken_over(self) -> SessionState | None:
        self.ended = True
        return self._state


def new_clients(clock: Clock) -> Clients:
    return Clients(SessionStore(10, 100_000), clock=clock)


def test_a_new_client_finds_no_session() -> None:
    clients = new_clients(Clock())

    assert clients.enter("tree", Connected(), clean_start=False) is None


def test_who_comes_back_in_time_finds_its_session_once() -> None:
    clock = Clock()
    clients, first, state = new_clients(clock), Connected(), SessionState()
    clients.enter("tree", first, clean_start=False)
    clients.leave("tree", first, state=state, expiry_s=60)

    clock.now += 59
    second = Connected()
    found = clients.enter("tree", second, clean_start=False)
    clients.leave("tree", second, state=None, expiry_s=60)

    assert found is state
    assert clients.enter("tree", Connected(), clean_start=False) is None


def test_who_comes_back_too_late_finds_none() -> None:
    clock = Clock()
    clients, first = new_clients(clock), Connected()
    clients.enter("tree", first, clean_start=False)
    clients.leave("tree", first, state=SessionState(), expiry_s=60)

    clock.now += 61

    assert clients.enter("tree", Connected(), clean_start=False) is None


def test_a_clean_start_ends_what_was_kept() -> None:
    clients, first, second = new_clients(Clock()), Connected(), Connected()
    clients.enter("tree", first, clean_start=False)
    clients.leave("tree", first, state=SessionState(), expiry_s=60)

    found = clients.enter("tree", second, clean_start=True)
    clients.leave("tree", second, state=None, expiry_s=0)

    assert found is None
    assert clients.enter("tree", Connected(), clean_start=False) is None


def test_a_connected_client_is_taken_over_with_its_session() -> None:
    state = SessionState()
    clients, victim = new_clients(Clock()), Connected(state)
    clients.enter("tree", victim, clean_start=False)

    found = clients.enter("tree", Connected(), clean_start=False)

    assert victim.ended
    assert found is state


def test_a_clean_start_takes_over_without_the_session() -> None:
    clients, victim = new_clients(Clock()), Connected(SessionState())
    clients.enter("tree", victim, clean_start=False)

    assert clients.enter("tree", Connected(), clean_start=True) is None
    assert victim.ended


def test_a_victim_that_closes_late_disconnects_nobody_and_keeps_nothing() -> None:
    clients, victim, successor = new_clients(Clock()), Connected(), Connected()
    clients.enter("tree", victim, clean_start=False)
    clients.enter("tree", successor, clean_start=False)

    clients.leave("tree", victim, state=SessionState(), expiry_s=60)
    clients.enter("tree", Connected(), clean_start=False)

    assert successor.ended


def test_expired_sessions_are_forgotten() -> None:
    clock = Clock()
    store = SessionStore(10, 100_000)
    clients, first = Clients(store, clock=clock), Connected()
    clients.enter("tree", first, clean_start=False)
    clients.leave("tree", first, state=SessionState(), expiry_s=60)

    clock.now += 61
    clients.expire()

    assert len(store) == 0


def test_a_burst_passes_at_once_and_the_rest_at_the_rate() -> None:
    clock = Clock()
    pace = Pace(per_s=10, burst=5, clock=clock)
    clock.now += 100

    delays = [pace.delay_s(at_most_s=9) for _ in range(8)]

    assert [round(delay or 0.0, 6) for delay in delays] == [0, 0, 0, 0, 0, 0.1, 0.2, 0.3]


def test_who_would_wait_too_long_takes_no_place() -> None:
    clock = Clock()
    pace = Pace(per_s=10, burst=1, clock=clock)
    clock.now += 100

    delays = [pace.delay_s(at_most_s=1) for _ in range(1000)]
    clock.now += 0.1
    later = pace.delay_s(at_most_s=1)

    assert delays.count(None) == 1000 - 11
    assert later is not None
