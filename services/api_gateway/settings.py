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
