"""Who is bound to which connection, and what is told about it."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.mqtt_transport.domain.bindings import REBIND_S, Binding, Bindings, Ending

EP = "ep"


def spoken(
    connection: int, *, endpoint: str = EP, version: str = "grove-v1", token: str | None = None
) -> Binding:
    token = token or "t"
    return Binding(
        endpoint_id=endpoint,
        connection=connection,
        app_version=version,
        token=token,
        token_id=f"id of {token}",
    )


def bindings(*, max_per_connection: int = 100, max_endings: int = 100) -> Bindings:
    return Bindings(max_per_connection=max_per_connection, max_endings=max_endings)


def state(held: Bindings, generation: str) -> None:
    held.stated(held.take_unstated(100), generation)


def owner(held: Bindings, endpoint: str = EP) -> int | None:
    found = held.find(endpoint)
    return None if found is None else found.connection


def test_what_is_heard_first_is_announced_and_then_needs_no_word() -> None:
    held = bindings()

    first = held.heard(spoken(1), now=0.0)
    state(held, "g1")
    second = held.heard(spoken(1), now=0.1)

    assert (first, second, held.untold) == (True, False, False)
    found = held.find(EP)
    assert found is not None
    assert found.generation == "g1"


def test_the_last_connection_heard_has_the_endpoint() -> None:
    held = bindings()
    held.heard(spoken(1), now=0.0)
    state(held, "g1")

    held.heard(spoken(2), now=REBIND_S)
    held.close(1, now=REBIND_S)

    assert owner(held) == 2
    assert [each.connection for each in held.take_unstated(10)] == [2]
    assert held.take_endings(10) == []


def test_two_connections_in_turn_announce_once_a_second_and_the_last_one_wins() -> None:
    held = bindings()
    announced = 0

    for number in range(100):
        held.heard(spoken(1 + number % 2), now=number * REBIND_S / 50)
        held.settle_claims(now=number * REBIND_S / 50)
        announced += len(held.take_unstated(10))
    held.settle_claims(now=10.0)

    assert announced <= 3
    assert owner(held) == 2


def test_a_claim_is_due_when_the_binding_has_stood_for_a_second() -> None:
    held = bindings()
    held.heard(spoken(1), now=5.0)
    held.heard(spoken(2), now=5.5)

    due_at = held.next_claim_at
    held.settle_claims(now=5.9)
    early = owner(held)
    held.settle_claims(now=6.0)

    assert due_at == 5.0 + REBIND_S
    assert (early, owner(held)) == (1, 2)
    assert held.next_claim_at is None


def test_whoever_claimed_an_endpoint_has_it_when_its_connection_closes() -> None:
    held = bindings()
    held.heard(spoken(1), now=0.0)
    state(held, "g1")
    held.heard(spoken(2), now=0.1)

    held.close(1, now=0.2)

    assert owner(held) == 2
    assert held.take_endings(10) == [Ending(EP, "grove-v1", "g1")]


def test_a_closed_connection_ends_what_was_announced_and_nothing_else() -> None:
    held = bindings()
    held.heard(spoken(1, endpoint="announced"), now=0.0)
    state(held, "g1")
    held.heard(spoken(1, endpoint="new"), now=0.0)

    ended = held.close(1, now=1.0)

    assert ended == 2
    assert held.take_endings(10) == [Ending("announced", "grove-v1", "g1")]
    assert held.take_unstated(10) == []


def test_what_closes_while_its_announcement_is_on_its_way_is_ended_after_it() -> None:
    held = bindings()
    held.heard(spoken(1), now=0.0)
    on_its_way = held.take_unstated(10)

    held.close(1, now=0.1)
    before = held.take_endings(10)
    held.stated(on_its_way, "g1")

    assert before == []
    assert held.take_endings(10) == [Ending(EP, "grove-v1", "g1")]


def test_another_version_on_the_same_connection_is_announced() -> None:
    held = bindings()
    held.heard(spoken(1), now=0.0)
    state(held, "g1")

    held.heard(spoken(1, version="grove-v2"), now=2.0)

    assert [each.app_version for each in held.take_unstated(10)] == ["grove-v2"]


def test_an_endpoint_announced_elsewhere_is_announced_when_it_speaks_here_again() -> None:
    held = bindings()
    held.heard(spoken(1), now=0.0)
    state(held, "g1")

    held.contest([EP, "never heard of"])
    quiet = held.untold
    held.heard(spoken(1), now=2.0)

    assert (quiet, len(held.take_unstated(10))) == (False, 1)


def test_a_revoked_token_ends_the_binding_that_rests_on_it() -> None:
    held = bindings()
    held.heard(spoken(1, token="a"), now=0.0)
    state(held, "g1")

    other = held.revoke(EP, ["id of b"], now=1.0)
    this = held.revoke(EP, ["id of a"], now=1.0)

    assert (other, this, owner(held)) == (False, True, None)
    assert held.take_endings(10) == [Ending(EP, "grove-v1", "g1")]


def test_a_revocation_that_names_no_token_means_all() -> None:
    held = bindings()
    held.heard(spoken(1), now=0.0)
    held.heard(spoken(2), now=0.1)

    held.revoke(EP, [], now=0.2)

    assert owner(held) is None


def test_a_gateway_speaks_for_so_many_endpoints_and_no_more() -> None:
    held = bindings(max_per_connection=2)

    for name in ("a", "b", "c"):
        held.heard(spoken(1, endpoint=name), now=0.0)

    assert (len(held), held.refused, owner(held, "c")) == (2, 1, None)


def test_ends_that_cannot_be_told_are_bounded_and_counted() -> None:
    held = bindings(max_endings=2)
    for connection in range(3):
        held.heard(spoken(connection, endpoint=f"ep{connection}"), now=0.0)
    state(held, "g1")

    for connection in range(3):
        held.close(connection, now=1.0)

    assert ([each.endpoint_id for each in held.take_endings(10)], held.forgotten) == (["ep1", "ep2"], 1)


def test_ends_given_back_are_told_first_and_no_endpoint_twice_in_a_message() -> None:
    held = bindings()
    for generation in ("g1", "g2"):
        held.heard(spoken(1), now=0.0)
        state(held, generation)
        held.close(1, now=1.0)

    first = held.take_endings(10)
    held.give_back_endings(first)

    assert [each.generation for each in held.take_endings(10)] == ["g1"]
    assert [each.generation for each in held.take_endings(10)] == ["g2"]


def test_announcements_given_back_are_made_again_as_far_as_they_hold() -> None:
    held = bindings()
    held.heard(spoken(1, endpoint="stays"), now=0.0)
    held.heard(spoken(2, endpoint="goes"), now=0.0)

    taken = held.take_unstated(10)
    held.close(2, now=0.1)
    held.give_back_unstated(taken)

    assert [each.endpoint_id for each in held.take_unstated(10)] == ["stays"]


def test_a_token_is_not_shown() -> None:
    assert "secret" not in repr(
        Binding(endpoint_id=EP, connection=1, app_version="grove-v1", token="secret", token_id="i")
    )


class Register:
    """Presence as endpoint-register keeps it: the event with the highest (generation, place) stands."""

    def __init__(self) -> None:
        self.place = 0
        self.state: dict[str, tuple[tuple[int, int], int | None]] = {}

    def connected(self, told: list[Binding]) -> int:
        self.place += 1
        for binding in told:
            self._apply(binding.endpoint_id, (self.place, self.place), binding.connection)
        return self.place

    def disconnected(self, endings: list[Ending]) -> None:
        self.place += 1
        for ending in endings:
            self._apply(ending.endpoint_id, (int(ending.generation), self.place), None)

    def _apply(self, name: str, key: tuple[int, int], connection: int | None) -> None:
        if name not in self.state or key > self.state[name][0]:
            self.state[name] = (key, connection)


class Traffic(RuleBasedStateMachine):
    """Connections that speak for three endpoints and close, while announcements are made at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.held = bindings(max_endings=10_000)
        self.register = Register()
        self.now = 0.0
        self.open: set[int] = set()

    @rule(connection=st.integers(1, 4), endpoint=st.sampled_from(["a", "b", "c"]), wait=st.floats(0, 2))
    def speak(self, connection: int, endpoint: str, wait: float) -> None:
        self.now += wait
        self.held.settle_claims(now=self.now)
        self.open.add(connection)
        self.held.heard(spoken(connection, endpoint=endpoint), now=self.now)

    @rule(connection=st.integers(1, 4))
    def close(self, connection: int) -> None:
        self.held.close(connection, now=self.now)
        self.open.discard(connection)

    @rule(closes=st.booleans(), connection=st.integers(1, 4))
    def announce(self, closes: bool, connection: int) -> None:  # noqa: FBT001 - a hypothesis rule
        told = self.held.take_unstated(2)
        place = self.register.connected(told) if told else 0
        if closes:
            self.close(connection)
        self.held.stated(told, str(place))

    @rule()
    def end(self) -> None:
        endings = self.held.take_endings(2)
        if endings:
            self.register.disconnected(endings)

    @invariant()
    def bound_only_to_open_connections(self) -> None:
        assert all(owner(self.held, name) in {*self.open, None} for name in "abc")

    def teardown(self) -> None:
        """When all is told, the register agrees with this replica."""
        self.now += 2 * REBIND_S
        self.held.settle_claims(now=self.now)
        while self.held.untold:
            self.announce(closes=False, connection=0)
            self.end()
        for name, (_, connection) in self.register.state.items():
            assert owner(self.held, name) == connection


TestTraffic = Traffic.TestCase
TestTraffic.settings = settings(max_examples=200, stateful_step_count=40)


@given(st.lists(st.tuples(st.integers(1, 3), st.floats(0, 3)), min_size=1, max_size=30))
def test_after_a_second_of_silence_the_last_speaker_has_the_endpoint(steps: list[tuple[int, float]]) -> None:
    held, now = bindings(), 0.0

    for connection, wait in steps:
        now += wait
        held.settle_claims(now=now)
        held.heard(spoken(connection), now=now)
    held.settle_claims(now=now + REBIND_S + 0.01)

    assert owner(held) == steps[-1][0]
