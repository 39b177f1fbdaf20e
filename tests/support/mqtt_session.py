"""A session under test with a clock of its own, driven as the listener drives it."""

from collections.abc import Iterable

import pytest

from libs.mqtt import Event, Limits, PublishReceived, ReasonCode, Session, SessionState
from tests.support import mqtt_packets as packets
from tests.support.mqtt_packets import VERSIONS, Connect, Received

EACH = pytest.mark.parametrize("version", VERSIONS, ids=["3.1", "3.1.1", "5"])
"""A test for each version of MQTT, as its argument ``version``."""


class Driver:
    """A session with the packets it sent and the events it told."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.now = 100.0
        self.session = Session(limits or Limits(), now=self.now)

    def send(self, *data: bytes) -> list[Event]:
        """Let the client send; what the session says about it."""
        self.session.receive_data(b"".join(data), now=self.now)
        return self.session.events_received()

    def answers(self) -> list[Received]:
        """Read what the session has to send."""
        return packets.read_packets(self.session.data_to_send())

    # Asked anew each time: mypy takes a property for a value that stays.
    def is_blocked(self) -> bool:
        return self.session.blocked

    def is_connected(self) -> bool:
        return self.session.connected

    def is_closing(self) -> bool:
        return self.session.closing

    def kinds(self) -> list[int]:
        return [answer.kind for answer in self.answers()]

    def ids(self) -> list[int]:
        return [answer.packet_id for answer in self.answers()]


def connected(
    version: int = packets.V3_1_1,
    *,
    limits: Limits | None = None,
    state: SessionState | None = None,
    connect: Connect | None = None,
) -> Driver:
    """Make a session whose client was accepted, CONNACK already read."""
    driver = Driver(limits)
    driver.send((connect or Connect(version=version)).encode())
    driver.session.accept(state=state)
    driver.session.events_received()
    driver.session.data_to_send()
    return driver


def publishes(events: Iterable[Event]) -> list[PublishReceived]:
    return [event for event in events if isinstance(event, PublishReceived)]


def closed_with(driver: Driver) -> ReasonCode | None:
    """Give the reason of the DISCONNECT with which a v5 session ended, None when it ended without one."""
    assert driver.session.closing
    answers = [answer for answer in driver.answers() if answer.kind in (2, 14)]
    return ReasonCode(answers[-1].code) if answers else None
