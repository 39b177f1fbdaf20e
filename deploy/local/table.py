"""The one table of what runs: dependencies, ports, health and replicas.

Start and stop order, ready.json, the addresses printed and the checks of ports all follow from these rows
(:mod:`deploy.local.order` computes the order). A new service is a new row.
"""

import sys
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """How a process is configured and how its readiness is seen."""

    NATS = "nats"
    STORE = "store"
    SERVICE = "service"


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A port people or devices use.

    Attributes:
        port_key: Its key in the port file of the service.
        variable: The variable that chooses the port of the first replica.
        ready_key: Where its address stands in ready.json.
        scheme: Of that address.
        label: For the addresses printed at the start.
        path: Of that address.
        tls: Only open when GROVE_TLS_CERT is set.
    """

    port_key: str
    variable: str
    ready_key: str
    label: str
    scheme: str = "http"
    path: str = ""
    tls: bool = False


@dataclass(frozen=True, kw_only=True)
class Row:
    """One kind of process.

    Attributes:
        name: The service's name; also its NATS user.
        needs: Rows that must be ready before the first start of this one.
        argv: Command of a service; NATS and the store have their own.
        listeners: Ports besides the health port.
        keys: Secrets it gets beyond those that every service gets.
        replicas: How many by default.
    """

    name: str
    kind: Kind = Kind.SERVICE
    needs: tuple[str, ...] = ()
    argv: tuple[str, ...] = ()
    listeners: tuple[Listener, ...] = ()
    keys: tuple[str, ...] = ()
    replicas: int = 1


def _service(name: str) -> tuple[str, ...]:
    return (sys.executable, "-m", f"services.{name.replace('-', '_')}")


TABLE: tuple[Row, ...] = (
    Row(name="nats", kind=Kind.NATS),
    Row(name="store", kind=Kind.STORE),
    Row(
        name="credential-manager",
        needs=("nats", "store"),
        argv=_service("credential-manager"),
        keys=("GROVE_SECRETS_KEY", "GROVE_ADMIN_KEY"),
    ),
    Row(
        name="endpoint-register",
        needs=("nats", "store", "credential-manager"),
        argv=_service("endpoint-register"),
        keys=("GROVE_SECRETS_KEY",),
    ),
    Row(
        name="http-transport",
        needs=("nats", "credential-manager", "endpoint-register"),
        argv=_service("http-transport"),
        listeners=(
            Listener(port_key="http", variable="GROVE_HTTP_PORT", ready_key="http", label="device HTTP"),
            Listener(
                port_key="httpTls",
                variable="GROVE_HTTP_TLS_PORT",
                ready_key="httpTls",
                label="device HTTPS",
                scheme="https",
                tls=True,
            ),
        ),
    ),
    Row(
        name="mqtt-transport",
        needs=("nats", "credential-manager", "endpoint-register"),
        argv=_service("mqtt-transport"),
        listeners=(
            Listener(
                port_key="mqtt",
                variable="GROVE_MQTT_PORT",
                ready_key="mqtt",
                label="device MQTT",
                scheme="mqtt",
            ),
            Listener(
                port_key="mqttWs",
                variable="GROVE_MQTT_WS_PORT",
                ready_key="mqttWs",
                label="MQTT, WebSocket",
                scheme="ws",
                path="/mqtt",
            ),
            Listener(
                port_key="mqttTls",
                variable="GROVE_MQTT_TLS_PORT",
                ready_key="mqttTls",
                label="device MQTT, TLS",
                scheme="mqtts",
                tls=True,
            ),
        ),
    ),
    Row(
        name="data-collection",
        needs=("nats", "store", "endpoint-register"),
        argv=_service("data-collection"),
    ),
    Row(
        name="api-gateway",
        needs=("nats", "credential-manager", "endpoint-register"),
        argv=_service("api-gateway"),
        listeners=(
            Listener(port_key="http", variable="GROVE_API_PORT", ready_key="api", label="REST and docs"),
        ),
    ),
)
