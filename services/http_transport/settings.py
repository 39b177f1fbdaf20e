"""Settings of http-transport; each says why its default is what it is."""

from dataclasses import dataclass

from libs.process import setting
from libs.process.device_settings import DeviceSettings


@dataclass(frozen=True, kw_only=True)
class Settings(DeviceSettings):
    """Read from ``GROVE_HTTP_TRANSPORT_<FIELD>``."""

    port: int = setting(
        8080, env="GROVE_HTTP_PORT", minimum=0, maximum=65535, doc="Device HTTP; 0 takes any free port."
    )
    tls_port: int = setting(
        8443,
        env="GROVE_HTTP_TLS_PORT",
        minimum=0,
        maximum=65535,
        doc="Device HTTP in TLS, open when GROVE_TLS_CERT is set; 0 takes any free port.",
    )
    max_connections: int = setting(
        10_000, minimum=1, doc="More are told 503 and closed; an idle one costs 10 KiB, and an open file."
    )
    head_s: float = setting(
        10.0, unit="s", minimum=0.05, doc="From the first byte of a request to the end of its headers."
    )
    body_s: float = setting(
        30.0, unit="s", minimum=0.05, doc="For a whole body: 256 KiB at 9 KiB/s, a poor mobile link."
    )
    idle_s: float = setting(
        75.0, unit="s", minimum=0.05, doc="Between requests; above the 60 s at which proxies give up first."
    )
    stall_s: float = setting(
        30.0, unit="s", minimum=0.05, doc="How long a client may not read its answer before it is cut off."
    )
    durable_s: float = setting(
        15.0,
        unit="s",
        minimum=0.05,
        doc="For telemetry to become durable; a change of the stream's leader takes 4 to 6.5 s. Then 503.",
    )
    queue_s: float = setting(
        30.0,
        unit="s",
        minimum=0.05,
        doc="For a turn behind earlier requests of the same endpoint; then 504.",
    )
    body_budget_bytes: int = setting(
        64 * 1024 * 1024,
        unit="bytes",
        minimum=1,
        doc="Unanswered requests in memory, all clients together.",
    )
