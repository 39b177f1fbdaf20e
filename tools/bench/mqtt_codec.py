"""How fast libs.mqtt is by itself: ``python -m tools.bench.mqtt_codec``.

One process, no socket: a batch of PUBLISH packets goes in, its events come out, all are acknowledged,
and the acknowledgements are taken. Beside it a bare loop that does nothing but cut the same bytes into
frames, so that a figure means something on any machine. Also what an idle connection costs in memory.
"""

import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from libs.mqtt import Event, Limits, PublishReceived, Session

_SECONDS = 1.0
_ROUNDS = 5
_BATCH = 256
_IDLE = 1000
_LONG = 128
_TOPIC = b"kp1/demo-v1/dcx/token-1/json"
_LEVELS = {"3.1.1": 4, "5": 5}


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a client sends, again and again."""

    name: str
    version: str
    qos: int
    payload_bytes: int
    topics: int = 1
    properties: bytes = b""

    def stream(self) -> bytes:
        return b"".join(self._publish(index) for index in range(_BATCH))

    def _publish(self, index: int) -> bytes:
        topic = _TOPIC + (b"/%d" % (index % self.topics) if self.topics > 1 else b"")
        body = len(topic).to_bytes(2, "big") + topic
        if self.qos:
            body += (index + 1).to_bytes(2, "big")
        if self.version == "5":
            body += bytes((len(self.properties),)) + self.properties
        body += b"x" * self.payload_bytes
        return bytes((0x30 | self.qos << 1,)) + _varint(len(body)) + body


TRAFFIC = (
    Traffic("QoS 1, 60 bytes", "3.1.1", 1, 60),
    Traffic("QoS 1, 60 bytes", "5", 1, 60),
    Traffic("QoS 1, 60 bytes, 32 topics", "3.1.1", 1, 60, topics=32),
    Traffic("QoS 1, 1,000 bytes", "3.1.1", 1, 1000),
    Traffic("QoS 0, 60 bytes", "3.1.1", 0, 60),
    Traffic("QoS 2, 60 bytes", "3.1.1", 2, 60),
    Traffic("QoS 1, 60 bytes, properties", "5", 1, 60, properties=b"\x02\0\0\0\x3c"),
)


def _varint(value: int) -> bytes:
    return bytes((value,)) if value < _LONG else bytes((value % _LONG | _LONG, value // _LONG))


def _connect(version: str) -> bytes:
    body = (
        b"\0\x04MQTT" + bytes((_LEVELS[version], 2, 0, 60)) + (b"\0" if version == "5" else b"") + b"\0\x01c"
    )
    return b"\x10" + bytes((len(body),)) + body


def accepted(version: str, limits: Limits) -> Session:
    """Make a session as it is when its client has been let in."""
    session = Session(limits, now=0.0)
    session.receive_data(_connect(version), now=0.0)
    session.events_received()
    session.accept(state=None)
    session.data_to_send()
    return session


def cut(data: bytes) -> int:
    """Cut a stream into frames and look at nothing else: as fast as Python can go through it."""
    at, end, frames = 0, len(data), []
    while at < end:
        size, start = data[at + 1], at + 2
        if size >= _LONG:
            size += (data[start] << 7) - _LONG
            start += 1
        at = start + size
        frames.append(data[start:at])
    return len(frames)


def _released(data: bytes) -> bytes:
    """Make the PUBREL of each PUBREC."""
    return data.replace(b"\x50\x02", b"\x62\x02")


def through(session: Session, data: bytes, *, release: bool) -> int:
    """Take a stream the way the listener does, and acknowledge all of it."""
    session.receive_data(data, now=0.0)
    events: Sequence[Event] = session.events_received()
    numbers = [event.number for event in events if type(event) is PublishReceived and event.number]
    if numbers:
        session.acknowledge_many(numbers)
    answers = session.data_to_send()
    if release:
        session.receive_data(_released(answers), now=0.0)
        session.events_received()
        session.data_to_send()
    return len(events)


def rate(work: Callable[[], int]) -> float:
    """Packets a second of processor time, the best of some rounds: others use this machine as well."""
    best = 0.0
    for _ in range(_ROUNDS):
        count, began = 0, time.process_time()
        while (passed := time.process_time() - began) < _SECONDS / _ROUNDS:
            count += work()
        best = max(best, count / passed)
    return best


def idle_bytes() -> float:
    """Memory of one accepted session whose client says nothing."""
    limits = Limits()
    accepted("5", limits)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    sessions = [accepted("5", limits) for _ in range(_IDLE)]
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / len(sessions)


def main() -> None:
    print(f"{'traffic':<30}{'version':<9}{'packets/s':>12}{'bare loop':>12}{'ratio':>8}")
    for traffic in TRAFFIC:
        data, session = traffic.stream(), accepted(traffic.version, Limits())
        ours = rate(partial(through, session, data, release=traffic.qos > 1))
        bare = rate(partial(cut, data))
        print(f"{traffic.name:<30}{traffic.version:<9}{ours:>12,.0f}{bare:>12,.0f}{ours / bare:>8.2f}")
    print(f"an idle connection: {idle_bytes():,.0f} bytes")


if __name__ == "__main__":
    main()
