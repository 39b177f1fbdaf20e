"""Server-Sent Events as bytes (HTML standard, section 9.2): every block ends with an empty line.

A block without data dispatches nothing and still moves the last event id of the reader: that is how a reader
whose filter lets nothing through keeps its place.
"""

from typing import Any, Final

import msgspec

MEDIA_TYPE: Final = "text/event-stream"
LAST_EVENT_ID: Final = "Last-Event-ID"
RETRY_MS: Final = 2000
"""After how long a reader that was cut off comes back."""

GAP: Final = "gap"
LOST: Final = "lost"
END: Final = "end"
"""What is said about the stream itself; the types of events have dots."""


def block(event: str, data: bytes, *, place: str = "") -> bytes:
    """Write an event; ``data`` is one line."""
    head = f"id: {place}\nevent: {event}\ndata: " if place else f"event: {event}\ndata: "
    return head.encode() + data + b"\n\n"


def said(event: str, *, place: str = "", **fields: Any) -> bytes:  # noqa: ANN401 - whatever JSON can hold
    """Write something about the stream itself."""
    return block(event, msgspec.json.encode(fields), place=place)


def opening(place: str) -> bytes:
    """Write how to come back, and from where unless that is empty."""
    return (f"retry: {RETRY_MS}\n" + (f"id: {place}\n" if place else "") + "\n").encode()


def heartbeat(place: str) -> bytes:
    """Write a comment, and up to where the stream was read."""
    return f": heartbeat\nid: {place}\n\n".encode()


EXAMPLE: Final = opening("EVENTS-19aa24b8d11-41").decode() + (
    "id: EVENTS-19aa24b8d11-42\n"
    "event: endpoint.metadata.updated\n"
    'data: {"appVersionName":"olives-v1","endpointId":"tree-17","added":{"model":"\\"T-3\\""}}\n\n'
)
