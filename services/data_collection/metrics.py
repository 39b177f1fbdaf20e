"""What data-collection counts, for ``GET /metrics``."""

from prometheus_client import Counter, Gauge, Histogram

STORED = Counter("grove_data_collection_samples_total", "Samples stored.", ["outcome"])
"""``outcome``: new, again (redelivered batch), known (message id seen before)."""
BATCHES = Counter("grove_data_collection_batches_total", "Batches by what became of them.", ["outcome"])
REJECTED = Counter(
    "grove_data_collection_rejected_total", "Device messages that could not be stored.", ["reason"]
)
COLLECTING = Histogram(
    "grove_data_collection_collecting_seconds",
    "From the delivery of batches until they could be acknowledged.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
SKEW = Histogram(
    "grove_data_collection_receipt_skew_seconds",
    "JetStream's time minus receipt time of a batch: what a transport held it for, and how clocks differ.",
    buckets=(-10, -1, -0.1, 0, 0.01, 0.1, 0.5, 1, 2.5, 5, 15, 60),
)
OLDEST_S = Gauge("grove_data_collection_oldest_seconds", "Age of the oldest batch that is not stored.")
BACKLOG = Gauge("grove_data_collection_backlog", "Batches that are not stored.")
ORPHANS = Counter(
    "grove_data_collection_orphans_total", "Batches found below the acknowledgement floor and stored."
)
CONFIGURATIONS_DELETED = Counter(
    "grove_data_collection_configurations_deleted_total",
    "Documents of configuration deleted because their application or version is gone.",
)
NOT_ROLLED_UP = Counter(
    "grove_data_collection_windows_unrolled_total",
    "Parts of answers read from samples because too many hours of the endpoint wait to be rolled up.",
)
ROLLUPS_DELETED = Counter(
    "grove_data_collection_rollups_deleted_total", "Computed hours deleted before the samples they are of."
)
DELETED = Counter("grove_data_collection_deleted_total", "Samples deleted, by why.", ["reason"])
