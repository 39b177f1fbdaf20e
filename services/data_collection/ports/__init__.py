"""What the use cases need: :mod:`.collecting` for storing, :mod:`.querying` for everything else."""

from services.data_collection.ports.collecting import (
    Clock,
    Configurations,
    DataEvents,
    Derived,
    Ingest,
    Rejections,
    RemovalRepository,
    Replies,
    Retentions,
    SampleRepository,
)

__all__ = [
    "Clock",
    "Configurations",
    "DataEvents",
    "Derived",
    "Ingest",
    "Rejections",
    "RemovalRepository",
    "Replies",
    "Retentions",
    "SampleRepository",
]
