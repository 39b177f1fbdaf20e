"""What an operator may change about the gateway."""

from dataclasses import dataclass

from libs.process import setting


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Read from ``GROVE_API_GATEWAY_<FIELD>`` unless a field says otherwise."""

    port: int = setting(
        8090,
        env="GROVE_API_PORT",
        minimum=0,
        maximum=65535,
        doc="REST, OpenAPI and its page; 0 takes any free port.",
    )
    owner_timeout_s: float = setting(
        5.0,
        unit="s",
        maximum=60,
        doc="How long the service that owns the data may take before the caller is told 504.",
    )
    audit_timeout_s: float = setting(
        5.0,
        unit="s",
        maximum=60,
        doc="How long writing a change down for the audit trail may take before it is refused with 503.",
    )
    body_timeout_s: float = setting(
        20.0,
        unit="s",
        maximum=600,
        doc="How long a request body may take to arrive; a slow sender holds up to 768 KiB until then.",
    )
    max_in_flight: int = setting(
        1024,
        unit="requests",
        minimum=1,
        doc="Answered at the same time; more are told 503 at once, which bounds memory.",
    )
    key_cache_entries: int = setting(
        10_000,
        unit="keys",
        minimum=1,
        doc="API keys remembered (by hash, at most 30 s), those that do not exist included.",
    )
    key_requests_per_s: float = setting(
        0.0,
        unit="requests/s",
        minimum=0,
        doc="What each API key may make, in each process; more are told 429. 0 = as many as it likes.",
    )
    key_burst: int = setting(
        50,
        unit="requests",
        minimum=1,
        doc="What an API key that was quiet may make at once.",
    )
    live_streams: int = setting(
        256,
        unit="streams",
        minimum=1,
        doc="Streams of events open at the same time; each counts among the requests in flight.",
    )
    live_streams_per_key: int = setting(
        16,
        unit="streams",
        minimum=1,
        doc="The same for one API key.",
    )
    live_heartbeat_s: float = setting(
        15.0,
        unit="s",
        minimum=0.1,
        maximum=60,
        doc="Longest silence of a stream; proxies end what is silent for longer than they like.",
    )
