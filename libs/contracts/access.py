"""Who may say and hear what on NATS: one user per service, and ``observer``.

The local runner, Compose and Kubernetes all build their NATS configuration from this table.
"""

from dataclasses import dataclass

from libs.contracts.subjects import DEFAULT_ROOT

OBSERVER = "observer"


@dataclass(frozen=True, slots=True)
class AccessUser:
    """A NATS user and its permissions.

    Attributes:
        name: User name; the service's name.
        publish: Subject patterns it may publish to.
        subscribe: Subject patterns it may subscribe to.
        allow_responses: Whether it may answer any request it received.
    """

    name: str
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    allow_responses: bool = True


@dataclass(frozen=True, slots=True)
class _Role:
    """What a service does on the bus, without the root."""

    serves: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    tells: bool = False
    hears: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()


_TOKENS = "*.endpoint.token.>"
_CONFIGURATION = "*.service.configuration.>"

_ROLES: dict[str, _Role] = {
    "credential-manager": _Role(serves=("credential-manager",), calls=("endpoint-register",), tells=True),
    "endpoint-register": _Role(
        serves=("endpoint-register", "epmx"),
        calls=("credential-manager",),
        tells=True,
        hears=(_CONFIGURATION,),
        streams=("EVENTS",),
    ),
    "http-transport": _Role(
        calls=("credential-manager", "endpoint-register", "epmx"),
        hears=(_TOKENS, _CONFIGURATION),
    ),
    "api-gateway": _Role(calls=("credential-manager", "endpoint-register"), hears=("*.api-key.status.>",)),
}


def inbox_prefix(service: str) -> str:
    """The inbox prefix of a service: nobody else may listen to its replies."""
    return f"_INBOX_{service.replace('-', '_')}"


def users(root: str = DEFAULT_ROOT) -> tuple[AccessUser, ...]:
    """Every NATS user of the suite with its permissions below ``root``."""
    observer = AccessUser(
        name=OBSERVER,
        publish=(),
        subscribe=(f"{root}.events.>",),
        allow_responses=False,
    )
    return (*(_user(name, role, root) for name, role in _ROLES.items()), observer)


def _user(name: str, role: _Role, root: str) -> AccessUser:
    publish = [f"{root}.service.{instance}.>" for instance in role.calls]
    publish += ["$JS.API.INFO"]
    if role.tells:
        publish.append(f"{root}.events.{name}.>")
    for stream in role.streams:
        publish += [f"$JS.API.STREAM.{verb}.{stream}" for verb in ("INFO", "CREATE", "UPDATE")]
    subscribe = [f"{root}.service.{instance}.>" for instance in role.serves]
    subscribe += [f"{root}.events.{pattern}" for pattern in role.hears]
    subscribe += [f"{inbox_prefix(name)}.>", "$SRV.>"]
    return AccessUser(name=name, publish=tuple(publish), subscribe=tuple(subscribe))
