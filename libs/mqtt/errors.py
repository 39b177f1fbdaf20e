"""What ends a connection from inside the parser; none of these leaves the package.

- :class:`ProtocolError`: the client broke the protocol; the session closes with its reason code
"""

from libs.mqtt.codes import ReasonCode


class ProtocolError(Exception):
    """The client broke the protocol. The text goes to the log, so it holds nothing the client sent."""

    def __init__(self, reason: ReasonCode, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text


def malformed(text: str) -> ProtocolError:
    """Say that a packet cannot be parsed [MQTT5 4.13.1]."""
    return ProtocolError(ReasonCode.MALFORMED_PACKET, text)


def forbidden(text: str) -> ProtocolError:
    """Say that a packet parses but may not be sent here [MQTT5 4.13.1]."""
    return ProtocolError(ReasonCode.PROTOCOL_ERROR, text)
