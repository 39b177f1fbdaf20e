"""NATS as the services meet it: requests, handlers, events, streams, and what orders and caches them.

Everything a service needs is exported here; the modules behind it may change. Start reading at
:class:`libs.bus.bus.Bus`.
"""

from libs.bus.cache import LookupCache
from libs.bus.ordering import KeyedQueue

__all__ = ["KeyedQueue", "LookupCache"]
