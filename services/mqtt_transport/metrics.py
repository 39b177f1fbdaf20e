"""What mqtt-transport counts, for ``GET /metrics``."""

import functools

from prometheus_client import Counter, Gauge

from libs.contracts.kp1 import EXTENSIONS

CONNECTIONS = Gauge("grove_mqtt_connections", "Open connections.", ["listener"])
CONNECTS = Counter("grove_mqtt_connects_total", "CONNECTs answered, by outcome.", ["outcome"])
CLOSED = Counter("grove_mqtt_closed_total", "Connections ended by us, by reason.", ["reason"])
TAKEN_OVER = Counter(
    "grove_mqtt_taken_over_total", "Connections ended because their client id connected again."
)
REQUESTS = Counter("grove_mqtt_requests_total", "Messages answered.", ["extension", "status"])
COLLECTED = Counter("grove_mqtt_collected_total", "Messages of telemetry that are durable.")
NOT_COLLECTED = Counter("grove_mqtt_not_collected_total", "Messages of telemetry that did not get durable.")
LEFT_OUT = Counter("grove_mqtt_left_out_total", "Messages that will never be acknowledged.")
DROPPED = Counter("grove_mqtt_dropped_total", "Answers and pushes not sent, by reason.", ["reason"])
HELD_BYTES = Gauge("grove_mqtt_held_bytes", "Bytes of unanswered messages in memory.")
PAUSED = Gauge("grove_mqtt_paused", "Connections that are not read now.")
BINDINGS = Gauge("grove_mqtt_bindings", "Endpoints heard on connections that are open.")
UNBOUND = Gauge("grove_mqtt_bindings_refused", "Endpoints not bound because their connection holds too many.")
UNTOLD = Gauge("grove_mqtt_endings_forgotten", "Ends of bindings that could never be told.")
SESSIONS = Gauge("grove_mqtt_sessions", "Sessions kept for clients that are not connected.")

_NO_EXTENSION = "none"


def count_request(extension: str | None, status: int) -> None:
    """Count an answered message; names made up by strangers are no labels."""
    _of(extension if extension in EXTENSIONS else _NO_EXTENSION, status).inc()


@functools.lru_cache(maxsize=1024)  # finding a labelled metric costs more than counting
def _of(extension: str, status: int) -> Counter:
    return REQUESTS.labels(extension, status)
