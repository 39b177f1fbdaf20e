"""A sample, as it is stored and found again.

Every field but the time comes from the batch as the transport made it, and the time from the sample and the
application's configuration: whoever stores a batch twice writes the same documents, and where that
has changed in between, the first stays (protocol/delivery.md rule 2).
"""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import msgspec

from libs.contracts.payload import JsonValue

PointValue: TypeAlias = float | str | bool | None
Points: TypeAlias = Mapping[str, Mapping[str, PointValue]]
"""What the configuration extracts from one sample: series, then value names."""


class Sample(NamedTuple):
    """One stored sample.

    Attributes:
        id: 16 bytes, :func:`libs.contracts.ingest.sample_id`.
        endpoint_id: Whose.
        app_version: Of the endpoint when it was received.
        time_ms: Sample time, Unix milliseconds; samples are ordered by it, then by ``id``.
        received_ms: When the transport had it, Unix milliseconds.
        text: The sample as JSON text, UTF-8.
        message_key: Of its endpoint and the message id its application configured; None = it has none.
    """

    id: bytes
    endpoint_id: str
    app_version: str
    time_ms: int
    received_ms: int
    text: bytes
    message_key: str | None = None

    @property
    def value(self) -> JsonValue:
        """The sample, decoded anew each time."""
        value: JsonValue = msgspec.json.decode(self.text)
        return value


class Place(NamedTuple):
    """Where a page of samples ended: the next begins behind it.

    Attributes:
        endpoint_id: Of the last sample.
        time_ms: Of the last sample.
        id: Of the last sample.
    """

    endpoint_id: str
    time_ms: int
    id: bytes


class Derivable(NamedTuple):
    """A stored sample, as far as what is computed from samples needs it.

    Attributes:
        endpoint_id: Whose.
        app_version: Of the endpoint when it was received.
        time_ms: Sample time, Unix milliseconds.
        id: Of the sample; the later of two with the same time has the higher one.
        points: What the configuration extracts from it, may be empty.
    """

    endpoint_id: str
    app_version: str
    time_ms: int
    id: bytes
    points: Points
