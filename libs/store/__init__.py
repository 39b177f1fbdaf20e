"""MongoDB: one client per process, opened so that an acknowledged write is a durable one.

Repositories (``services.*.mongo``) get collections from a :class:`Store` and run each operation
inside :func:`store_errors`, so that nothing above them knows a driver error. What is stored is
theirs alone: this package knows no document.
"""

from libs.store.client import Document, Store
from libs.store.failures import DuplicateError, store_errors
from libs.store.hosting import open_store
from libs.store.indexes import Index, IndexConflictError
from libs.store.ranges import earlier_than, until
from libs.store.refusals import StoreRefusedError, VolatileStoreError

__all__ = [
    "Document",
    "DuplicateError",
    "Index",
    "IndexConflictError",
    "Store",
    "StoreRefusedError",
    "VolatileStoreError",
    "earlier_than",
    "open_store",
    "store_errors",
    "until",
]
