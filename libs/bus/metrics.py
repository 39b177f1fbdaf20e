"""What the bus counts and times, for ``GET /metrics``.

``message`` is the message type, never a whole subject: subjects hold ids and would be endless.
"""

from prometheus_client import Counter, Gauge, Histogram

HANDLED = Histogram(
    "grove_bus_handled_seconds",
    "Time from a request's arrival to its reply, by message type.",
    ["message"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
REPLIES = Counter("grove_bus_replies_total", "Requests answered.", ["message", "status"])
IN_FLIGHT = Gauge("grove_bus_in_flight", "Requests being handled.")
DROPPED = Counter(
    "grove_bus_dropped_total",
    "Messages not handled: expired, reply could not be sent, event that could not be read.",
    ["message", "reason"],
)
CALLS = Counter("grove_bus_calls_total", "Requests made to other services.", ["message", "status"])
CALL_RETRIES = Counter(
    "grove_bus_call_retries_total", "Attempts repeated because nobody was there.", ["message"]
)
ANNOUNCED = Counter("grove_bus_announced_total", "Events stored in a stream.", ["message", "outcome"])
EVENTS = Counter("grove_bus_events_total", "Events heard.", ["message"])
UNHEARD = Counter("grove_bus_unheard_total", "Subjects on which events were not sent: nobody listens.")
CUTS = Counter("grove_bus_cuts_total", "Times events may have been missed.", ["reason"])
CONNECTED = Gauge("grove_bus_connected", "1 while connected to NATS.")
DELIVERED = Counter("grove_bus_delivered_total", "Messages of streams that arrived here.", ["consumer"])
REDELIVERED = Counter(
    "grove_bus_redelivered_total", "Of these, messages that had been delivered before.", ["consumer"]
)
SETTLED = Counter(
    "grove_bus_settled_total",
    "What was said of messages of streams: ack, nak, term; unsaid = it will come again by itself.",
    ["consumer", "verdict"],
)
PULLS = Counter(
    "grove_bus_pulls_total", "Requests for messages of streams, by their cause.", ["consumer", "reason"]
)
