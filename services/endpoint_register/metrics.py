"""What endpoint-register counts about presence, for ``GET /metrics``."""

from prometheus_client import Counter, Histogram

IGNORED = Counter(
    "grove_endpoint_register_presence_ignored_total",
    "What was said of endpoints and not kept: no such endpoint, another application, not readable.",
    ["reason"],
)
MOVED = Counter(
    "grove_endpoint_register_moved_total",
    "Endpoints that spoke for another version of their application, by what became of that.",
    ["outcome"],
)
GIVEN_UP = Counter(
    "grove_endpoint_register_given_up_total", "Bindings ended for transports that fell silent."
)
GIVING_UP = Histogram(
    "grove_endpoint_register_giving_up_seconds",
    "From the decision that a transport is gone until everybody was told whom it held.",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
