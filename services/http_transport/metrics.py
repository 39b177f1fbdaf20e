"""What http-transport counts and times, for ``GET /metrics``."""

import functools

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("grove_http_requests_total", "Device requests answered.", ["extension", "status"])
SECONDS = Histogram(
    "grove_http_request_seconds",
    "From the complete head of a request to its answer, by extension.",
    ["extension"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
IN_FLIGHT = Gauge("grove_http_in_flight", "Device requests being answered.")
BODY_BYTES = Gauge("grove_http_body_bytes", "Bytes of unanswered requests in memory.")

SENML = "senml"
"""Label of SenML packs, which belong to no extension of KP1."""
NO_EXTENSION = "none"
"""Label of requests that named no extension that exists: names made up by strangers are no labels."""


def count_request(extension: str, status: int, *, duration_s: float) -> None:
    """Count an answered request; ``extension`` is one that exists, or :data:`NO_EXTENSION`."""
    requests, seconds = _of(extension, status)
    requests.inc()
    seconds.observe(duration_s)


@functools.lru_cache(maxsize=1024)  # finding a labelled metric costs more than counting
def _of(extension: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(extension, status), SECONDS.labels(extension)
