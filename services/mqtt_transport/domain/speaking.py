"""What a connection has been let in for: a topic, and whom it speaks for."""

from libs.contracts.kp1 import Kp1Path
from services.mqtt_transport.domain.bindings import Binding


class Spoken:
    """A topic that was let in, to be believed for a while.

    Attributes:
        endpoint_id: Whom it speaks for.
        app_version: For which application version.
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
        "until",
        "wants_reply",
    )

    def __init__(
        self, path: Kp1Path, binding: Binding, *, endpoint_id: str, epoch: int, until: float
    ) -> None:
        self.endpoint_id = endpoint_id
        self.app_version = path.app_version
        self.resource = path.resource
        self.wants_reply = path.request_id is not None
        self.binding = binding
        self.epoch = epoch
        self.until = until
        self.seen_at = 0.0
