"""What carries the bytes of one client: TCP, TLS or WebSocket."""

from typing import Final, Protocol

SLICE_BYTES: Final = 16 * 1024
"""Of one client that are taken in one turn of the loop: 8,000 packets of the smallest kind."""


class Wire(Protocol):
    """What carries bytes to one client and back."""

    @property
    def unsent_bytes(self) -> int:
        """What was written and not yet taken by the client."""

    @property
    def unread_bytes(self) -> int:
        """What arrived of a frame that is not whole yet; about."""

    def write(self, data: bytes) -> None:
        """Send, sooner or later."""

    def close(self) -> None:
        """Close when everything written was sent."""

    def abort(self) -> None:
        """Close now."""

    def pause(self) -> None:
        """Read no more."""

    def resume(self) -> None:
        """Read again."""
