"""Which cached answers an event takes back, where the event does not name their keys.

An event names an endpoint, a cache is asked by something else (a token, a device). Searching the cache
at every event would cost its size each time, and a fleet sends thousands of events when it starts.
"""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Concerned(Generic[K]):
    """Which cached answers an event takes back; bounded, and what it drops it takes back too."""

    def __init__(self, forget_key: Callable[[K], None], *, max_keys: int) -> None:
        """Take an answer back by ``forget_key``; note at most ``max_keys`` keys."""
        self._forget_key = forget_key
        self._max_keys = max_keys
        self._keys: dict[Hashable, set[K]] = {}
        self._count = 0

    def add(self, topic: Hashable, key: K) -> None:
        """Note that events about ``topic`` concern ``key``; the topic becomes the newest."""
        while self._count >= self._max_keys:
            self.forget(next(iter(self._keys)))
        keys = self._keys.pop(topic, set())
        self._keys[topic] = keys
        self._count -= len(keys)
        keys.add(key)
        self._count += len(keys)

    def forget(self, topic: Hashable) -> None:
        """Take back every answer that events about ``topic`` concern."""
        keys = self._keys.pop(topic, set())
        self._count -= len(keys)
        for key in keys:
            self._forget_key(key)

    def clear(self) -> None:
        self._keys.clear()
        self._count = 0
