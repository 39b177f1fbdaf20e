"""Pushes: say something to a device that did not ask (protocol/delivery.md rule 20).

A push names the binding it means by its generation; another binding, or none, is ``not here`` and the next
one pushes again. The token is looked at once more, because it may have been suspended a moment ago. That
the device has acknowledged is told to whoever pushed; when that cannot be told it stays undelivered there,
and is pushed again.
"""

from typing import Final

import structlog
from msgspec import Struct

from libs.bus.front_door import FrontDoor
from libs.bus.tasks import TaskSet
from libs.contracts.errors import BadRequestError, GroveError, PayloadTooLargeError
from libs.contracts.kp1 import MAX_PAYLOAD_BYTES
from libs.contracts.pushes import CONFIRMED_BY, DeliveredReport, Push, PushReply
from services.mqtt_transport.domain.answers import push_topic
from services.mqtt_transport.domain.bindings import Binding
from services.mqtt_transport.ports import Channels, Confirmations
from services.mqtt_transport.usecases.presence import Presence

SETTLE_S: Final = 2.0
"""How long a push waits for the announcement of its binding: it may have overtaken the acknowledgement."""
_CONFIRM_ATTEMPTS: Final = 3
_log = structlog.get_logger()


class Delivery(Struct, frozen=True):
    """What to tell, and whom, once a push was acknowledged."""

    confirm_to: str
    report: DeliveredReport


class Pushing:
    """Takes pushes to devices, and their acknowledgements back."""

    def __init__(
        self,
        door: FrontDoor,
        presence: Presence,
        channels: Channels,
        confirmations: Confirmations,
        *,
        tasks: TaskSet,
    ) -> None:
        self._door = door
        self._presence = presence
        self._channels = channels
        self._confirmations = confirmations
        self._tasks = tasks

    async def push(self, request: Push) -> PushReply:
        """Publish to the device that this replica holds.

        Raises:
            BadRequestError: The push cannot be meant like this.
            PayloadTooLargeError: Its payload is larger than any of KP1.
        """
        _check(request)
        binding = await self._presence.binding(request.endpoint_id, within_s=SETTLE_S)
        if binding is None or binding.generation != request.generation:
            return PushReply(taken=False)
        channel = self._channels.find(binding.connection)
        if channel is None or not await self._is_still_accepted(binding):
            return PushReply(taken=False)
        topic = push_topic(
            app_version=binding.app_version,
            extension=request.extension,
            token=binding.token,
            resource=request.resource,
        )
        taken = channel.say(topic, request.payload, qos=min(request.qos, 1), delivery=_delivery_of(request))
        return PushReply(taken=taken)

    def delivered(self, delivery: object) -> None:
        """Tell whoever pushed that the device has it."""
        if not isinstance(delivery, Delivery):
            return
        if self._tasks.full:
            _log.warning("push_not_confirmed", instance=delivery.confirm_to, reason="too many at once")
            return
        self._tasks.spawn(self._confirm(delivery), name="confirm a push")

    async def _confirm(self, delivery: Delivery) -> None:
        for attempt in range(_CONFIRM_ATTEMPTS):
            try:
                return await self._confirmations.confirm(delivery.confirm_to, delivery.report)
            except GroveError as error:
                if not error.retried or attempt == _CONFIRM_ATTEMPTS - 1:
                    _log.warning(
                        "push_not_confirmed", instance=delivery.confirm_to, reason=error.reason_phrase
                    )
                    return None
        return None

    async def _is_still_accepted(self, binding: Binding) -> bool:
        try:
            caller = await self._door.identify(binding.app_version, binding.token)
        except GroveError:
            return False
        return caller.endpoint_id == binding.endpoint_id


def _check(request: Push) -> None:
    if len(request.payload) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLargeError(f"payload is above the limit of {MAX_PAYLOAD_BYTES} bytes")
    if not request.resource.startswith("/"):
        raise BadRequestError("resource must begin with a slash")
    if request.confirm_to and request.confirm_to not in CONFIRMED_BY:
        raise BadRequestError(f"confirm_to must be one of {', '.join(CONFIRMED_BY)}")


def _delivery_of(request: Push) -> Delivery | None:
    if not request.confirm_to:
        return None
    report = DeliveredReport(
        endpoint_id=request.endpoint_id, generation=request.generation, push_id=request.push_id
    )
    return Delivery(request.confirm_to, report)
