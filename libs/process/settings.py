"""The settings that all processes share.

Not every service has a bus, a database or secrets, so the properties at the end complain only when a
service asks for them; the others are checked before anything is opened.
"""

from dataclasses import dataclass

from libs.process.fields import SettingsError, setting

LOG_LEVELS = ("debug", "info", "warning", "error")
SYNCED = "synced"
VOLATILE_ACCEPTED = "volatile-accepted"
NATS_DURABILITIES = (SYNCED, VOLATILE_ACCEPTED)
UNDECLARED_NATS = (
    "GROVE_NATS_DURABILITY is not set, and no client can see whether a NATS keeps what it acknowledges: "
    f"say {SYNCED} if the one at GROVE_NATS_URL runs JetStream with sync_interval: always, "
    f"or {VOLATILE_ACCEPTED} to start nevertheless"
)


@dataclass(frozen=True, kw_only=True)
class ProcessSettings:
    """Read from ``GROVE_<FIELD>``; services get it as ``process.settings``."""

    bind: str = setting(
        "127.0.0.1",
        doc="Listen address; nothing is reachable from outside unless said so. Images set 0.0.0.0.",
    )
    health_port: int = setting(
        0,
        minimum=0,
        maximum=65535,
        doc="Port of /health, /ready and /metrics; 0 takes any free one, so that replicas never collide.",
    )
    nats_url: str = setting(secret=True, doc="Bus, with the user and password of this service in the URL.")
    nats_durability: str | None = setting(
        None,
        choices=NATS_DURABILITIES,
        doc="synced: JetStream of this NATS syncs every write (sync_interval: always); volatile-accepted: "
        "start although it may lose what it acknowledged. Services on the bus need one of them.",
    )
    mongodb: str | None = setting(
        None, env="GROVE_MONGODB_URL", secret=True, doc="Store; needed by the services that own data."
    )
    secrets: str | None = setting(
        None,
        env="GROVE_SECRETS_KEY",
        secret=True,
        doc="Key of stored secrets; needed by the services that keep some.",
    )
    subject_root: str = setting(
        "grove.v1", doc="First tokens of every subject; two stacks can share one bus with different roots."
    )
    log_level: str = setting(
        "info", choices=LOG_LEVELS, doc="warning leaves out the one line of each request."
    )
    stop_deadline_s: float = setting(
        20.0,
        unit="s",
        maximum=600,
        doc="Time to finish what is in flight; below the 30 s after which Kubernetes kills.",
    )
    port_file: str | None = setting(
        None, doc="Where to write the ports that were taken, for whoever started the process."
    )
    tls_cert: str | None = setting(
        None,
        doc="Certificate chain (PEM) of the device listeners; with GROVE_TLS_KEY it turns their TLS on.",
    )
    tls_key: str | None = setting(
        None, doc="Private key (PEM, no password) of GROVE_TLS_CERT; both files are read again on change."
    )
    jetstream_directory: str | None = setting(
        None,
        doc="Where JetStream keeps its streams, if that can be seen from here: transports take no telemetry "
        "while too little is free on that volume, because a full one ruins JetStream.",
    )
    min_free_percent: float = setting(
        10.0,
        unit="%",
        minimum=0,
        maximum=95,
        doc="What has to be free on the volume of GROVE_JETSTREAM_DIRECTORY.",
    )
    allow_volatile_store: bool = setting(
        default=False,
        doc="Start although the store does not journal writes on a majority: data may be lost.",
    )

    @property
    def allow_volatile_nats(self) -> bool:
        """Whether to work with a NATS that may lose what it acknowledges.

        Raises:
            SettingsError: This process was not told what its NATS does.
        """
        if self.nats_durability is None:
            raise SettingsError((UNDECLARED_NATS,))
        return self.nats_durability == VOLATILE_ACCEPTED

    @property
    def mongodb_url(self) -> str:
        """URL of the store.

        Raises:
            SettingsError: This process was started without one.
        """
        return _required("GROVE_MONGODB_URL", self.mongodb)

    @property
    def secrets_key(self) -> str:
        """Key that stored secrets are encrypted or hashed with.

        Raises:
            SettingsError: This process was started without one.
        """
        return _required("GROVE_SECRETS_KEY", self.secrets)


def _required(name: str, value: str | None) -> str:
    if value is None:
        raise SettingsError((f"{name} is not set",))
    return value
