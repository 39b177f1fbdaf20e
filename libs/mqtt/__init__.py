"""The server's side of MQTT 3.1, 3.1.1 and 5.0 as a state machine: bytes in, events and bytes out.

It opens no socket, knows no event loop and reads no clock. Start reading at
:class:`libs.mqtt.session.Session`; README.md draws its states and says what it will not do.
"""

from libs.mqtt.codes import ProtocolVersion, ReasonCode
from libs.mqtt.events import (
    ConnectReceived,
    Delivered,
    Disconnected,
    Event,
    PublishReceived,
    Subscribed,
    Unsubscribed,
)
from libs.mqtt.limits import Limits
from libs.mqtt.session import Session
from libs.mqtt.state import SessionState
from libs.mqtt.store import SessionStore

__all__ = [
    "ConnectReceived",
    "Delivered",
    "Disconnected",
    "Event",
    "Limits",
    "ProtocolVersion",
    "PublishReceived",
    "ReasonCode",
    "Session",
    "SessionState",
    "SessionStore",
    "Subscribed",
    "Unsubscribed",
]
