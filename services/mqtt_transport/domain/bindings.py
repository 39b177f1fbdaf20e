"""Which connection speaks for which endpoint, in this replica (protocol/delivery.md rule 18).

The last connection on which an endpoint was heard has it: pushes go there. A binding is *stated* once
the stream has stored its announcement; from then on it has a generation. Until somebody else announces
the endpoint it needs no further message, however often it speaks; after that it is *contested*, and is
announced anew when the endpoint speaks here again.

Two live connections that speak for one endpoint in turn would announce it with every message; so a
binding stands for a second at least, and the latest claim takes it after that.

Pure: connections are numbers, times are monotonic seconds given by the caller.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

REBIND_S: Final = 1.0
"""How long a binding stands before another connection may take it."""


@dataclass(slots=True, kw_only=True)
class Binding:
    """An endpoint heard on a connection.

    Attributes:
        endpoint_id: Whom.
        connection: On which connection.
        app_version: For which application version it spoke.
        token: With which token, for the topics of pushes; a secret.
        token_id: Names the token without telling it.
        since: When it was bound, monotonic seconds.
        generation: Where the stream stored its announcement; None = not yet.
        contested: Somebody else has announced the endpoint, or may have.
        displaced: Generation of the binding it took over from; ends with it if it is never stated itself.
    """

    endpoint_id: str
    connection: int
    app_version: str
    token: str = field(repr=False)
    token_id: str
    since: float = 0.0
    generation: str | None = None
    contested: bool = False
    displaced: str | None = None

    def says_nothing_new(self, spoken: "Binding") -> bool:
        """Whether this binding already tells what ``spoken`` would."""
        return (
            self.connection == spoken.connection
            and self.app_version == spoken.app_version
            and not self.contested
        )


@dataclass(frozen=True, slots=True)
class Ending:
    """A binding that is over and was announced."""

    endpoint_id: str
    app_version: str
    generation: str


class Bindings:
    """All bindings of a replica, and what has to be told about them."""

    def __init__(self, *, max_per_connection: int, max_endings: int) -> None:
        """Bound what one connection may hold, and what may wait to be told.

        Attributes:
            refused: Endpoints that were not bound because their connection holds too many.
            forgotten: Endings that were never told because too many waited.
        """
        self._max_per_connection = max_per_connection
        self._bound: dict[str, Binding] = {}
        self._of_connection: dict[int, set[str]] = {}
        self._claims: dict[str, Binding] = {}
        self._unstated: dict[str, Binding] = {}
        self._endings: deque[Ending] = deque()
        self._max_endings = max_endings
        self.refused = 0
        self.forgotten = 0

    def __len__(self) -> int:
        """Count the endpoints bound here."""
        return len(self._bound)

    @property
    def untold(self) -> bool:
        """Whether something waits to be announced."""
        return bool(self._unstated or self._endings)

    @property
    def next_claim_at(self) -> float | None:
        """When :meth:`settle_claims` has something to do, if ever."""
        return min((self._bound[name].since + REBIND_S for name in self._claims), default=None)

    def find(self, endpoint_id: str) -> Binding | None:
        """Who speaks for an endpoint here."""
        return self._bound.get(endpoint_id)

    def heard(self, spoken: Binding, *, now: float) -> bool:
        """Note that an endpoint spoke; True when it was not known to be bound like this."""
        bound = self._bound.get(spoken.endpoint_id)
        if bound is None:
            return self._bind(spoken, now)
        if bound.says_nothing_new(spoken):
            bound.token, bound.token_id = spoken.token, spoken.token_id
            self._claims.pop(spoken.endpoint_id, None)
            return False
        if now - bound.since < REBIND_S:
            self._claims[spoken.endpoint_id] = spoken
            return True
        self._claims.pop(spoken.endpoint_id, None)
        return self._bind(spoken, now)

    def settle_claims(self, *, now: float) -> None:
        """Bind those who claimed an endpoint whose binding has stood long enough."""
        for name, claim in list(self._claims.items()):
            if now - self._bound[name].since >= REBIND_S:
                del self._claims[name]
                self._bind(claim, now)

    def close(self, connection: int, *, now: float) -> int:
        """End all that a connection held; whoever claimed it has it now. Returns how many it was."""
        self._claims = {name: claim for name, claim in self._claims.items() if claim.connection != connection}
        names = self._of_connection.pop(connection, set())
        for name in names:
            self._end(self._bound.pop(name))
            claim = self._claims.pop(name, None)
            if claim is not None:
                self._bind(claim, now)
        return len(names)

    def revoke(self, endpoint_id: str, token_ids: Iterable[str], *, now: float) -> bool:
        """End the binding of an endpoint if it rests on one of these tokens, or all when none is named."""
        revoked = set(token_ids)

        def rests_on(binding: Binding | None) -> bool:
            return binding is not None and (not revoked or binding.token_id in revoked)

        if rests_on(self._claims.get(endpoint_id)):
            del self._claims[endpoint_id]
        bound = self._bound.get(endpoint_id)
        if bound is None or not rests_on(bound):
            return False
        self._leave(bound)
        self._end(bound)
        claim = self._claims.pop(endpoint_id, None)
        if claim is not None:
            self._bind(claim, now)
        return True

    def contest(self, endpoint_ids: Iterable[str]) -> None:
        """Note that somebody else has announced these endpoints."""
        for name in endpoint_ids:
            bound = self._bound.get(name)
            if bound is not None:
                bound.contested = True

    def contest_all(self) -> None:
        """Note that anybody may have been announced by somebody else."""
        self.contest(list(self._bound))

    # --- what is told ---------------------------------------------------------------------------

    def take_unstated(self, limit: int) -> list[Binding]:
        """Take bindings to announce, oldest first; what cannot be announced is given back."""
        names = list(self._unstated)[:limit]
        return [self._unstated.pop(name) for name in names]

    def give_back_unstated(self, bindings: Iterable[Binding]) -> None:
        """Announce these later, as far as they still hold."""
        for binding in bindings:
            if self._bound.get(binding.endpoint_id) is binding:
                self._unstated.setdefault(binding.endpoint_id, binding)

    def stated(self, bindings: Iterable[Binding], generation: str) -> None:
        """Note where the announcement was stored; a binding that is over by now has to be ended."""
        for binding in bindings:
            binding.generation, binding.displaced = generation, None
            current = self._bound.get(binding.endpoint_id)
            if current is not binding and (current is None or current.generation is None):
                # Where another one took over its announcement comes later, and wins; but it may still fail.
                self._end(binding)

    def all_stated(self) -> Iterator[Binding]:
        """Every binding that was announced, for announcing it again after a cut."""
        return (binding for binding in list(self._bound.values()) if binding.generation is not None)

    def take_endings(self, limit: int) -> list[Ending]:
        """Take endings to announce, oldest first, and no endpoint twice."""
        taken: dict[str, Ending] = {}
        while self._endings and len(taken) < limit and self._endings[0].endpoint_id not in taken:
            ending = self._endings.popleft()
            taken[ending.endpoint_id] = ending
        return list(taken.values())

    def give_back_endings(self, endings: Iterable[Ending]) -> None:
        """Announce these first next time."""
        self._endings.extendleft(reversed(list(endings)))

    # --- one binding ----------------------------------------------------------------------------

    def _bind(self, spoken: Binding, now: float) -> bool:
        held = self._of_connection.setdefault(spoken.connection, set())
        if len(held) >= self._max_per_connection and spoken.endpoint_id not in held:
            self.refused += 1
            return False
        before = self._bound.get(spoken.endpoint_id)
        if before is not None:
            self._leave(before)
            spoken.displaced = before.generation or before.displaced
        spoken.since = now
        held.add(spoken.endpoint_id)
        self._of_connection[spoken.connection] = held
        self._bound[spoken.endpoint_id] = spoken
        self._unstated[spoken.endpoint_id] = spoken
        return True

    def _leave(self, binding: Binding) -> None:
        """Take a binding off its connection."""
        del self._bound[binding.endpoint_id]
        held = self._of_connection[binding.connection]
        held.discard(binding.endpoint_id)
        if not held:
            del self._of_connection[binding.connection]

    def _end(self, binding: Binding) -> None:
        """Let the end of a binding be told, if it was ever announced."""
        if self._unstated.get(binding.endpoint_id) is binding:
            del self._unstated[binding.endpoint_id]
        generation = binding.generation or binding.displaced
        if generation is None:
            return  # never announced, or on its way: then `stated` ends it
        if len(self._endings) >= self._max_endings:
            self._endings.popleft()
            self.forgotten += 1
        self._endings.append(Ending(binding.endpoint_id, binding.app_version, generation))
