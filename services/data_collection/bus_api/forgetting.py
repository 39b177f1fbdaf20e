"""Applications and versions that may be gone, as endpoint-register tells of them."""

from collections.abc import Sequence

import msgspec
import structlog

from libs.bus import Bus, Delivery
from libs.contracts.lifecycle import ConfigurationUpdatedEvent
from libs.contracts.streams import applications_consumer
from services.data_collection.usecases.configuring import ConfigurationParts
from services.data_collection.usecases.forgetting import forget_gone

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_log = structlog.get_logger()


class ApplicationHandlers:
    """What is done with deliveries."""

    def __init__(self, parts: ConfigurationParts) -> None:
        self._parts = parts

    async def on_changed(self, deliveries: Sequence[Delivery]) -> None:
        """Drop what was configured for those that are gone.

        A version that is gone may be told of as a change of its application, so all changes count; those
        of a configuration alone do not.
        """
        applications: dict[str, None] = {}
        for delivery in deliveries:
            try:
                event = msgspec.msgpack.decode(delivery.body, type=ConfigurationUpdatedEvent)
            except _UNREADABLE as error:
                _log.error("application.not_readable", sequence=delivery.sequence, reason=str(error))
                delivery.term("not readable")
                continue
            if event.service_instance_name is None:
                applications[event.app_name] = None
        for application in applications:
            await forget_gone(application, parts=self._parts)


async def follow_applications(bus: Bus, handlers: ApplicationHandlers) -> None:
    """Root task: hear which applications and versions may be gone."""
    await bus.consume(applications_consumer(bus.subjects), handlers.on_changed)
