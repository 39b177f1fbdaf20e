"""The service on the bus: requests to use cases, entities to replies, events and questions out.

No rule lives here. ``serving`` holds the table of subjects, ``bodies`` turns entities into what REST
shows, ``adapters`` are the ports that are other services.
"""

from services.endpoint_register.bus_api.adapters import (
    BusCredentials,
    BusEventPublisher,
    CachedWhitelists,
)
from services.endpoint_register.bus_api.serving import SUBJECTS, follow_presence, serve

__all__ = ["SUBJECTS", "BusCredentials", "BusEventPublisher", "CachedWhitelists", "follow_presence", "serve"]
