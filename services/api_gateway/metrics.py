"""What Prometheus is told about REST calls; routes are templates, so labels stay few."""

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("grove_api_requests_total", "REST requests answered.", ["method", "route", "status"])
SECONDS = Histogram(
    "grove_api_request_seconds",
    "Time from the request's headers to its answer.",
    ["method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
)
IN_FLIGHT = Gauge("grove_api_requests_in_flight", "REST requests being answered now.")
LIVE_STREAMS = Gauge("grove_api_live_streams", "Streams of events that are open now.")
LIVE_ENDED = Counter("grove_api_live_ended_total", "Streams of events that ended.", ["by"])
LIVE_LOST = Counter("grove_api_live_lost_total", "Data events that a reader was too slow for.")
LIMITED = Counter("grove_api_limited_total", "Requests of API keys over their rate.")
AUDITED = Counter(
    "grove_api_audit_total",
    "Changes in the audit trail: begun, not written down and so refused, and outcomes that were lost.",
    ["what"],
)
AUDIT_SECONDS = Histogram(
    "grove_api_audit_seconds",
    "How long a change waited until it was written down.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
