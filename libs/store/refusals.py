"""Reasons not to start with a store at all: waiting would not help."""

from libs.contracts.errors import StartRefusedError


class StoreRefusedError(StartRefusedError):
    """The URL, the credentials or the kind of server make the store unusable; the text says which."""


class VolatileStoreError(StoreRefusedError):
    """The store does not keep what it acknowledges."""
