"""What the runner reads from the environment, declared like the settings of every service.

Ports and keys belong to the services; they are declared here too because the runner chooses them on one
machine.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from deploy.local.problem import RunnerError
from libs.contracts.subjects import DEFAULT_ROOT
from libs.process import SettingsError, load_settings, setting
from libs.process.settings import NATS_DURABILITIES, UNDECLARED_NATS
from libs.process.variables import KNOWN

SERVICE = "local"
_REPLICAS = re.compile(r"(?P<name>[a-z][a-z0-9-]*)=(?P<count>[1-9][0-9]?)")


def _port(default: int, variable: str, what: str) -> int:
    doc = f"{what}; 0 takes any free port."
    port: int = setting(default, env=variable, minimum=0, maximum=65535, doc=doc)
    return port


@dataclass(frozen=True, kw_only=True)
class LocalSettings:
    """Read from the variables named here, and ``GROVE_LOCAL_<FIELD>`` where none is named."""

    data_dir: str = setting(".data", env="GROVE_DATA_DIR", doc="All state of the local stack.")
    bind: str = setting(
        "127.0.0.1",
        env="GROVE_BIND",
        doc="Listen address of the services; NATS and the store stay on 127.0.0.1.",
    )
    mqtt_port: int = _port(1883, "GROVE_MQTT_PORT", "Device MQTT")
    mqtt_ws_port: int = _port(8083, "GROVE_MQTT_WS_PORT", "Device MQTT over WebSocket")
    mqtt_tls_port: int = _port(8883, "GROVE_MQTT_TLS_PORT", "Device MQTT in TLS, where GROVE_TLS_CERT is set")
    http_tls_port: int = _port(8443, "GROVE_HTTP_TLS_PORT", "Device HTTP in TLS, where GROVE_TLS_CERT is set")
    http_port: int = _port(8080, "GROVE_HTTP_PORT", "Device HTTP")
    api_port: int = _port(8090, "GROVE_API_PORT", "REST, OpenAPI and console")
    bootstrap_port: int = _port(8070, "GROVE_BOOTSTRAP_PORT", "Bootstrap HTTP")
    nats_port: int = _port(4222, "GROVE_NATS_PORT", "Embedded NATS")
    store_port: int = _port(27017, "GROVE_STORE_PORT", "Embedded store")
    tls_cert: str | None = setting(
        None, env="GROVE_TLS_CERT", doc="Opens the TLS ports of devices; handed on to the services."
    )
    nats_url: str | None = setting(
        None,
        env="GROVE_NATS_URL",
        secret=True,
        doc="Use this NATS instead of starting the embedded one.",
    )
    nats_durability: str | None = setting(
        None,
        env="GROVE_NATS_DURABILITY",
        choices=NATS_DURABILITIES,
        doc="What the NATS at GROVE_NATS_URL does, as above; the embedded one syncs.",
    )
    mongodb_url: str | None = setting(
        None,
        env="GROVE_MONGODB_URL",
        secret=True,
        doc="Use this MongoDB instead of starting the embedded store.",
    )
    secrets_key: str | None = setting(
        None,
        env="GROVE_SECRETS_KEY",
        secret=True,
        doc="Key of stored secrets; made once and kept in the data directory.",
    )
    admin_key: str | None = setting(
        None,
        env="GROVE_ADMIN_KEY",
        secret=True,
        doc="First API key; made once and kept in the data directory.",
    )
    subject_root: str = setting(
        DEFAULT_ROOT,
        env="GROVE_SUBJECT_ROOT",
        doc="What the permissions of the embedded NATS are built for.",
    )
    replicas: tuple[str, ...] = setting(
        (), doc="More than one process of a service: endpoint-register=2,http-transport=2."
    )
    start_deadline_s: float = setting(
        60.0,
        unit="s",
        minimum=1,
        maximum=3600,
        doc="The first start fails when a process is not ready by then.",
    )
    store_reserve_bytes: int = setting(
        2 * 1024**3,
        doc="Disk kept for the store when the limits of the streams are checked against the volume.",
    )
    log_bytes: int = setting(
        8 * 1024**2,
        minimum=64 * 1024,
        doc="Size at which the log of a process is rotated; one older file is kept.",
    )


def load(environ: Mapping[str, str]) -> LocalSettings:
    """Read the settings and refuse names that nobody knows, and a NATS of which nobody says what it does.

    Raises:
        RunnerError: With every problem in one line.
    """
    try:
        settings = load_settings(LocalSettings, environ, service=SERVICE, known=KNOWN)
    except SettingsError as error:
        raise RunnerError(str(error)) from None
    if settings.nats_url is not None and settings.nats_durability is None:
        raise RunnerError(UNDECLARED_NATS)
    return settings


def replica_counts(replicas: tuple[str, ...]) -> dict[str, int]:
    """Return the number of processes asked for by service name.

    Raises:
        RunnerError: A part is not ``name=count`` with a count from 1 to 99.
    """
    counts: dict[str, int] = {}
    for part in replicas:
        match = _REPLICAS.fullmatch(part)
        if match is None:
            raise RunnerError(
                f"GROVE_LOCAL_REPLICAS must be name=count parts such as endpoint-register=2, not {part!r}"
            )
        counts[match["name"]] = int(match["count"])
    return counts
