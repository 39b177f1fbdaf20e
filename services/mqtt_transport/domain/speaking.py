"""What a connection has been let in for: a topic, and whom it speaks for."""

from typing import Final

from libs.contracts.kp1 import DCX, Kp1Path
from services.mqtt_transport.domain.bindings import Binding

_EXTENSION, _TOKEN = 2, 3
_LEVELS: Final = 4
"""Levels of ``kp1/<version>/dcx/<token>`` that are looked at."""


class OnTheWay(dict[str, int]):
    """Telemetry of one connection that goes the ordinary way: what comes behind it may not overtake it.

    Messages by token. A dict, because the hot path looks into it.
    """

    __slots__ = ()

    def begin(self, topic: str) -> str | None:
        """Note a message; returns the token it is to :meth:`end` with, None where it is no telemetry."""
        levels = topic.split("/", _LEVELS)
        if len(levels) <= _TOKEN or levels[_EXTENSION] != DCX:
            return None
        token = levels[_TOKEN]
        self[token] = self.get(token, 0) + 1
        return token

    def end(self, token: str) -> None:
        """Note that a message is in its batch, or never will be."""
        left = self.pop(token) - 1
        if left:
            self[token] = left


class Spoken:
    """A topic that was let in, to be believed for a while.

    Attributes:
        endpoint_id: Whom it speaks for.
        app_version: For which application version.
        token: With which token.
        resource: What is asked of the extension.
        wants_reply: Whether the topic has a request id.
        binding: Of the endpoint, when it was let in.
        epoch: Of the identity cache, when it was let in.
        until: When it has to be asked again, monotonic seconds.
        seen_at: When its being heard was noted last, monotonic seconds.
    """

    __slots__ = (
        "app_version",
        "binding",
        "endpoint_id",
        "epoch",
        "resource",
        "seen_at",
        "token",
        "until",
        "wants_reply",
    )

    def __init__(
        self, path: Kp1Path, binding: Binding, *, endpoint_id: str, epoch: int, until: float
    ) -> None:
        self.endpoint_id = endpoint_id
        self.app_version = path.app_version
        self.token = path.token
        self.resource = path.resource
        self.wants_reply = path.request_id is not None
        self.binding = binding
        self.epoch = epoch
        self.until = until
        self.seen_at = 0.0
