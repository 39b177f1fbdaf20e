"""One budget of bytes for all requests of a listener (protocol/delivery.md rule 15)."""


class Budget:
    """Bytes that requests may hold together."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self.held_bytes = 0

    def take(self, count: int) -> bool:
        """Count ``count`` more bytes, or refuse and count nothing."""
        if self.held_bytes + count > self._limit_bytes:
            return False
        self.held_bytes += count
        return True

    def give(self, count: int) -> None:
        """Count ``count`` bytes less."""
        self.held_bytes -= count
