"""How samples leave: what an MQTT and an HTTP link have in common.

A link keeps each sample until it is acknowledged or refused for good, and sends it again for as long as that
takes: over the next connection, or in the next request.
"""

import json
from dataclasses import dataclass
from typing import Any, Final, Protocol

_LATER: Final = frozenset({408, 409, 429})
_SERVER_ERROR: Final = 500

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 2.0


@dataclass(slots=True)
class Message:
    """One sample on its way.

    Attributes:
        tree: Whose, from 0.
        n: Its number.
        topic: Where it goes, without request id.
        payload: The sample.
        published_s: When it was first handed over, in seconds of the monotonic clock.
        tries: How often it was sent.
    """

    tree: int
    n: int
    topic: str
    payload: bytes
    published_s: float
    tries: int = 0


class Link(Protocol):
    """One connection."""

    async def room(self) -> None:
        """Return when a sample may be handed over; each return is for one."""

    def send(self, message: Message) -> None:
        """Take a sample over."""

    async def run(self) -> None:
        """Speak to the suite until cancelled, whatever happens to the connection."""


def is_final(status: int) -> bool:
    """Tell whether a refusal stays one: sending again cannot help."""
    return status < _SERVER_ERROR and status not in _LATER


def refusal(payload: bytes) -> tuple[int, str]:
    """Read the two fields of an error answer; what cannot be read counts as a 500."""
    try:
        content: Any = json.loads(payload)
        return int(content["statusCode"]), f"{content['statusCode']} {content['reasonPhrase']}"
    except (ValueError, TypeError, KeyError):
        return _SERVER_ERROR, f"an answer that is not understood: {payload[:80]!a}"
