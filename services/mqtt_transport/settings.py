"""Settings of mqtt-transport; each says why its default is what it is."""

from dataclasses import dataclass

from libs.process import setting
from libs.process.device_settings import DeviceSettings


@dataclass(frozen=True, kw_only=True)
class Settings(DeviceSettings):
    """Read from ``GROVE_MQTT_TRANSPORT_<FIELD>``."""

    port: int = setting(
        1883, env="GROVE_MQTT_PORT", minimum=0, maximum=65535, doc="Device MQTT; 0 takes any free port."
    )
    ws_port: int = setting(
        8083,
        env="GROVE_MQTT_WS_PORT",
        minimum=0,
        maximum=65535,
        doc="Device MQTT over WebSocket, paths /mqtt and /ws; 0 takes any free port.",
    )
    tls_port: int = setting(
        8883,
        env="GROVE_MQTT_TLS_PORT",
        minimum=0,
        maximum=65535,
        doc="Device MQTT in TLS, open when GROVE_TLS_CERT is set; 0 takes any free port.",
    )
    max_connections: int = setting(
        12_000,
        minimum=1,
        doc="More are closed at once; an idle one costs 4 KiB, 7 once used, and an open file.",
    )
    connects_per_s: int = setting(
        2_000, minimum=1, doc="CONNECTs accepted; a fleet that comes back finds the bus at work, not overrun."
    )
    connect_s: float = setting(
        10.0, unit="s", minimum=0.05, doc="From the connection to its CONNECT, as protocol/kp1.md says."
    )
    patience_s: float = setting(
        10.0,
        unit="s",
        minimum=0.05,
        doc="What may yet succeed is tried again for so long; then it is never acknowledged.",
    )
    repeat_after_s: float = setting(
        60.0,
        unit="s",
        minimum=0.05,
        doc="About when a connection is closed on which something was not acknowledged: it is sent again.",
    )
    held_bytes: int = setting(
        64 * 1024 * 1024,
        unit="bytes",
        minimum=1024 * 1024,
        doc="Unanswered messages in memory, all clients together; above it no socket is read.",
    )
    max_bindings: int = setting(
        10_000, minimum=1, unit="endpoints", doc="That one connection, a gateway, can be pushed to for."
    )
    max_sessions: int = setting(
        20_000, minimum=0, unit="sessions", doc="Kept for clients that are not connected; oldest go first."
    )
    session_bytes: int = setting(
        32 * 1024 * 1024, unit="bytes", minimum=0, doc="That those sessions may take together."
    )
    session_expiry_s: float = setting(
        3600.0, unit="s", minimum=0, maximum=3600, doc="Longest time a session is kept."
    )
