"""What the environment of each process holds: only what that process needs.

A service gets the NATS user of its own name, the store when its row says it needs one, and the keys its row
names; the ports, keys and addresses given to the runner are not handed on as they are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from deploy.local.kept_secrets import KeptSecrets
from deploy.local.problem import RunnerError
from deploy.local.settings import SERVICE, LocalSettings
from deploy.local.table import Row
from libs.process.fields import PREFIX, fields_of
from libs.process.settings import SYNCED

_DRAIN_S = "5"
"""Time a service has to drain: two layers of them, and NATS and the store, stop within 10 s in all."""
_HANDED_ON = frozenset({"GROVE_BIND", "GROVE_SUBJECT_ROOT", "GROVE_TLS_CERT"})


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """Addresses of NATS and the store, embedded or not; asked at each start, since ports are found late.

    Attributes:
        nats_url: Of NATS, by user.
        mongodb_url: Of the store.
        jetstream_directory: Where the embedded NATS keeps its streams; None when it is somebody else's.
    """

    nats_url: Callable[[str], str]
    mongodb_url: Callable[[], str]
    jetstream_directory: str | None = None


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for NATS and the store: ours without anything of Olivegrove's."""
    return {name: value for name, value in environ.items() if not name.startswith(PREFIX)}


def service_environment(
    row: Row,
    index: int,
    *,
    environ: Mapping[str, str],
    settings: LocalSettings,
    secrets: KeptSecrets,
    backbone: Backbone,
) -> dict[str, str]:
    """Return the environment of one replica; later replicas take any free ports."""
    kept_back = {field.variable.name for field in fields_of(LocalSettings, SERVICE)} - _HANDED_ON
    env = {name: value for name, value in environ.items() if name not in kept_back}
    env["PYTHONUNBUFFERED"] = "1"
    env.setdefault("GROVE_STOP_DEADLINE_S", _DRAIN_S)
    if "nats" in row.needs:
        env["GROVE_NATS_URL"] = backbone.nats_url(row.name)
        # The embedded server is configured in nats_server.py, and syncs.
        env["GROVE_NATS_DURABILITY"] = (settings.nats_url and settings.nats_durability) or SYNCED
        if backbone.jetstream_directory is not None:
            env["GROVE_JETSTREAM_DIRECTORY"] = backbone.jetstream_directory
    if "store" in row.needs:
        env["GROVE_MONGODB_URL"] = backbone.mongodb_url()
    keys = {"GROVE_SECRETS_KEY": secrets.secrets_key, "GROVE_ADMIN_KEY": secrets.admin_key}
    for key in row.keys:
        env[key] = keys[key]
    for listener in row.listeners:
        env[listener.variable] = str(chosen_port(settings, listener.variable) if index == 0 else 0)
    return env


def chosen_port(settings: LocalSettings, variable: str) -> int:
    """Return the port that the settings choose for a variable of the table.

    Raises:
        RunnerError: The table names a variable that the settings do not declare: a mistake in our code.
    """
    for declared in fields_of(LocalSettings, SERVICE):
        if declared.variable.name == variable:
            return int(getattr(settings, declared.attribute))
    raise RunnerError(f"{variable} is in the table of processes but not among the runner's settings")
