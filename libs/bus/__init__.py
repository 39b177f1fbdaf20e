"""NATS as the services meet it: requests, handlers, events, streams, and what orders and caches them.

Everything a service needs is exported here; the modules behind it may change. Start reading at
:class:`libs.bus.bus.Bus`.
"""

from libs.bus.bus import Bus
from libs.bus.cache import LookupCache
from libs.bus.codec import MAX_MESSAGE_BYTES
from libs.bus.connection import BusClosedError
from libs.bus.delivery import Delivery
from libs.bus.hosting import connect_bus
from libs.bus.ordering import KeyedQueue
from libs.bus.publishing import Announced
from libs.bus.servers import BusRefusedError

__all__ = [
    "MAX_MESSAGE_BYTES",
    "Announced",
    "Bus",
    "BusClosedError",
    "BusRefusedError",
    "Delivery",
    "KeyedQueue",
    "LookupCache",
    "connect_bus",
]
