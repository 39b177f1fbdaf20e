"""The filters of one session, found by topic without looking at each.

Filters of one *shape* (where the wildcards stand, how many levels) differ only in the levels between,
so each shape turns a topic into the one filter that could match it. Clients use one or two shapes
however many endpoints they stand for; the number of shapes is bounded, so a lookup is, too.
"""

from typing import NamedTuple

from libs.mqtt.topics import split_shared

MAX_SHAPES = 64


class Grant(NamedTuple):
    """What SUBACK granted for one filter; identifier 0 is none."""

    qos: int
    identifier: int


class _Shape(NamedTuple):
    """Where a filter has its wildcards."""

    share: str
    plus: tuple[int, ...]
    levels: int
    tail: bool

    def fitting(self, levels: list[str]) -> str | None:
        """Give the filter of this shape that matches the topic of these levels."""
        if len(levels) < self.levels or (not self.tail and len(levels) != self.levels):
            return None
        wanted = levels[: self.levels]
        for index in self.plus:
            wanted[index] = "+"
        if self.tail:
            wanted.append("#")
        return self.share + "/".join(wanted)

    @property
    def leading_wildcard(self) -> bool:
        return not self.levels or self.plus[:1] == (0,)


def _shape_of(topic_filter: str) -> _Shape:
    share, inner = split_shared(topic_filter)
    levels = inner.split("/")
    tail = levels[-1] == "#"
    if tail:
        del levels[-1]
    plus = tuple(index for index, level in enumerate(levels) if level == "+")
    return _Shape(share, plus, len(levels), tail)


class Subscriptions:
    """Filters with what was granted."""

    __slots__ = ("_bytes", "_grants", "_shapes")

    def __init__(self) -> None:
        self._grants: dict[str, Grant] = {}
        self._shapes: dict[_Shape, int] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._grants)

    @property
    def size_bytes(self) -> int:
        """The length of all filters."""
        return self._bytes

    def filters(self) -> tuple[tuple[str, int], ...]:
        """List the filters with their granted QoS, for whoever resumes the session."""
        return tuple((topic_filter, grant.qos) for topic_filter, grant in self._grants.items())

    def add(self, topic_filter: str, grant: Grant, *, most: int, most_bytes: int) -> bool:
        """Add or replace a filter; False when there is no room [MQTT-3.8.4-3]."""
        if topic_filter not in self._grants:
            shape = _shape_of(topic_filter)
            size = self._bytes + len(topic_filter)
            if len(self._grants) >= most or size > most_bytes:
                return False
            if shape not in self._shapes and len(self._shapes) >= MAX_SHAPES:
                return False
            self._shapes[shape] = self._shapes.get(shape, 0) + 1
            self._bytes = size
        self._grants[topic_filter] = grant
        return True

    def remove(self, topic_filter: str) -> bool:
        """Remove a filter; False when it was not there."""
        if self._grants.pop(topic_filter, None) is None:
            return False
        shape = _shape_of(topic_filter)
        self._shapes[shape] -= 1
        if not self._shapes[shape]:
            del self._shapes[shape]
        self._bytes -= len(topic_filter)
        return True

    def matching(self, topic: str) -> list[Grant]:
        """Give the grants of all filters that match a topic."""
        if not self._grants:
            return []
        levels = topic.split("/")
        hidden = topic.startswith("$")  # [MQTT-4.7.2-1]
        found = []
        for shape in self._shapes:
            if hidden and shape.leading_wildcard:
                continue
            grant = self._grants.get(shape.fitting(levels) or "")
            if grant is not None:
                found.append(grant)
        return found
