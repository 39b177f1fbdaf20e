"""The sessions that wait for their clients, in memory and bounded in count, bytes and time."""

from collections import OrderedDict
from typing import NamedTuple

from libs.mqtt.state import SessionState

_ENTRY_BYTES = 400  # the key, the entry and its place in two dicts


class _Waiting(NamedTuple):
    state: SessionState
    size_bytes: int
    expires_at: float


class SessionStore:
    """Holds the state of clients that are away; what it drops makes "session present" 0, nothing worse.

    Attributes:
        dropped_full: Sessions that made way for younger ones.
        dropped_expired: Sessions whose client did not come back in time.
    """

    def __init__(self, max_sessions: int, max_bytes: int, max_expiry_s: int = 3600) -> None:
        self._max_sessions = max_sessions
        self._max_bytes = max_bytes
        self._max_expiry_s = max_expiry_s
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()  # oldest first
        self._bytes = 0
        self.dropped_full = 0
        self.dropped_expired = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def size_bytes(self) -> int:
        """About what all of it takes in memory."""
        return self._bytes

    def take(self, client_id: str, now: float) -> SessionState | None:
        """Hand out the state of a client that came back; None when it expired or never was."""
        entry = self._remove(client_id)
        if entry is None:
            return None
        if entry.expires_at <= now:
            self.dropped_expired += 1
            return None
        return entry.state

    def put(self, client_id: str, state: SessionState, expiry_s: int, now: float) -> None:
        """Keep a state for at most ``expiry_s``; 0 keeps nothing [MQTT5 3.1.2.11.2]."""
        self._remove(client_id)
        if expiry_s <= 0:
            return
        size = state.size_bytes + 2 * len(client_id) + _ENTRY_BYTES
        if size > self._max_bytes:
            self.dropped_full += 1
            return
        self._waiting[client_id] = _Waiting(state, size, now + min(expiry_s, self._max_expiry_s))
        self._bytes += size
        while len(self._waiting) > self._max_sessions or self._bytes > self._max_bytes:
            self._remove(next(iter(self._waiting)))
            self.dropped_full += 1

    def discard(self, client_id: str) -> None:
        """Forget a client, because it asked for a clean session [MQTT-3.1.2-6]."""
        self._remove(client_id)

    def expire(self, now: float) -> int:
        """Drop what expired and say how many; call it now and then, it looks at all of them."""
        gone = [client_id for client_id, entry in self._waiting.items() if entry.expires_at <= now]
        for client_id in gone:
            self._remove(client_id)
        self.dropped_expired += len(gone)
        return len(gone)

    def _remove(self, client_id: str) -> _Waiting | None:
        entry = self._waiting.pop(client_id, None)
        if entry is not None:
            self._bytes -= entry.size_bytes
        return entry
