"""Who may say and hear what on NATS: one user per service, and ``observer``.

The local runner, Compose and Kubernetes all build their NATS configuration from this table.
"""

from dataclasses import dataclass
from types import ModuleType

from libs.contracts import (
    api_keys,
    applications,
    audit,
    connectivity,
    credentials,
    ecap,
    endpoint_batches,
    endpoint_tables,
    endpoints,
    esp,
    filters,
    lifecycle,
    pushes,
    relations,
    senml_credentials,
    service_instances,
    time_series,
)
from libs.contracts.messages import ManagementRequest
from libs.contracts.streams import stream_name
from libs.contracts.subjects import DEFAULT_ROOT, AnyOperation, Operation, Subjects

OBSERVER = "observer"
DEFAULT_INBOX = "_INBOX"
"""Where NATS clients that choose no inbox prefix hear their replies."""


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
    """What a service does on the bus, without the root.

    Attributes:
        serves: Instances whose requests it answers.
        calls: The requests it makes, one by one: a transport that was broken into must not be able
            to create an API key.
        tells: Whether it broadcasts events.
        hears: Patterns of the events it listens to.
        streams: Streams it creates.
        follows: Streams of which it needs to know when they were created.
        consumes: Durable consumers it makes and drains, as (stream, consumer).
        pushed_by: Services that ask its replicas to say something to a device. It may answer these and
            nobody else: whoever answers what it hears could forge the acknowledgement of another's event.
        says: Other subjects it publishes to.
        listens: Other subjects it subscribes to.
        inspects: Streams from which it reads and deletes single messages.
        reads: Streams from which it reads single messages, and nothing else.
    """

    serves: tuple[str, ...] = ()
    calls: tuple[AnyOperation, ...] = ()
    tells: bool = False
    hears: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    follows: tuple[str, ...] = ()
    consumes: tuple[tuple[str, str], ...] = ()
    pushed_by: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    listens: tuple[str, ...] = ()
    inspects: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()


def _of(module: ModuleType) -> tuple[AnyOperation, ...]:
    return tuple(value for value in vars(module).values() if isinstance(value, Operation))


_CREDENTIALS = ("*.endpoint.token.>", "*.endpoint.senml-credential.>")
_MOVED = "*.endpoint.lifecycle.appversion-updated"
_CONFIGURATION = "*.service.configuration.>"
_CONNECTED = "*.endpoint.connectivity.connected"
_INGEST, _REPLIES, _REJECTED = "ingest.dcx", "replica.*.dcx.replies", "rejected.dcx"
_AUDIT = "audit.rest"
_FOR_OPERATORS = (
    *_of(applications),
    *_of(service_instances),
    *_of(endpoints),
    *_of(endpoint_batches),
    *_of(relations),
    *_of(filters),
    *_of(endpoint_tables),
    *(
        one
        for module in (credentials, senml_credentials)
        for one in _of(module)
        if issubclass(one.request, ManagementRequest)
    ),
    *_of(api_keys),
    *_of(time_series),
    *_of(audit),
)
_FOR_DEVICES = (
    lifecycle.RESOLVE_APP_VERSION,
    ecap.VALIDATE_TOKEN,
    ecap.VALIDATE_TOKENS,
    senml_credentials.DEVICE_SECRETS,
    senml_credentials.ACTIVATE_DEVICE_SECRET,
    esp.EPMX,
)

_ROLES: dict[str, _Role] = {
    "credential-manager": _Role(
        serves=("credential-manager",),
        calls=(endpoints.GET_ENDPOINT,),
        tells=True,
        streams=("AUDIT",),
        consumes=(("AUDIT", "keep"),),
    ),
    "endpoint-register": _Role(
        serves=("endpoint-register", "epmx"),
        calls=(credentials.STORE_TOKEN, credentials.STORE_TOKENS, credentials.DELETE_ENDPOINT_TOKENS),
        tells=True,
        hears=(_CONFIGURATION,),
        streams=("EVENTS",),
        consumes=(("EVENTS", "endpoint-register-presence"),),
    ),
    "http-transport": _Role(
        calls=(*_FOR_DEVICES, connectivity.REPORT_SEEN),
        hears=(*_CREDENTIALS, _MOVED, _CONFIGURATION),
        says=(_INGEST,),
        listens=(_REPLIES,),
    ),
    "mqtt-transport": _Role(
        calls=(
            *_FOR_DEVICES,
            connectivity.REPORT_SEEN,
            connectivity.REPORT_ALIVE,
            *map(pushes.delivered_operation, pushes.CONFIRMED_BY),
        ),
        tells=True,
        hears=(*_CREDENTIALS, _MOVED, _CONFIGURATION, _CONNECTED),
        follows=("EVENTS",),
        pushed_by=("command-execution",),
        says=(_INGEST,),
        listens=(_REPLIES,),
    ),
    "data-collection": _Role(
        serves=("data-collection",),
        calls=(lifecycle.RESOLVE_APP_VERSION, endpoints.GET_ENDPOINT, applications.GET_APPLICATION),
        tells=True,
        hears=(_CONFIGURATION,),
        streams=("INGEST", "REJECTED"),
        follows=("EVENTS",),
        consumes=(
            ("INGEST", "collect"),
            ("EVENTS", "data-collection-lifecycle"),
            ("EVENTS", "data-collection-applications"),
        ),
        says=(_REJECTED, _REPLIES),
        inspects=("INGEST",),
    ),
    "api-gateway": _Role(
        calls=_FOR_OPERATORS, hears=(">",), follows=("EVENTS",), reads=("EVENTS",), says=(_AUDIT,)
    ),
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
    subjects = Subjects(root)
    publish = [operation.subject(subjects) for operation in role.calls]
    publish += ["$JS.API.INFO"]
    if role.tells:
        publish.append(f"{root}.events.{name}.>")
    if not role.serves:
        # It answers $SRV only, whose callers use the default inbox. Were it allowed to answer
        # whatever it hears, it could forge the stream's acknowledgement of another's event.
        publish.append(f"{DEFAULT_INBOX}.>")
    for stream in role.streams:
        name_there = stream_name(subjects, stream)
        publish += [f"$JS.API.STREAM.{verb}.{name_there}" for verb in ("INFO", "CREATE", "UPDATE")]
    publish += [f"$JS.API.STREAM.INFO.{stream_name(subjects, stream)}" for stream in role.follows]
    for stream, consumer in role.consumes:
        place = f"{stream_name(subjects, stream)}.{consumer}"
        publish += [f"$JS.API.CONSUMER.{verb}.{place}" for verb in ("INFO", "CREATE", "MSG.NEXT")]
        publish += [f"$JS.ACK.{place}.>"]
    publish += [f"{inbox_prefix(pusher)}.>" for pusher in role.pushed_by]
    publish += [f"{root}.{subject}" for subject in role.says]
    for stream in role.inspects:
        place = stream_name(subjects, stream)
        publish += [f"$JS.API.STREAM.MSG.{verb}.{place}" for verb in ("GET", "DELETE")]
    publish += [f"$JS.API.STREAM.MSG.GET.{stream_name(subjects, stream)}" for stream in role.reads]
    subscribe = [f"{root}.service.{instance}.>" for instance in role.serves]
    subscribe += [f"{root}.events.{pattern}" for pattern in role.hears]
    subscribe += [f"{root}.{subject}" for subject in role.listens]
    if role.pushed_by:
        subscribe.append(f"{root}.replica.*.push")
    subscribe += [f"{inbox_prefix(name)}.>", "$SRV.>"]
    return AccessUser(
        name=name,
        publish=tuple(publish),
        subscribe=tuple(subscribe),
        allow_responses=bool(role.serves),
    )
