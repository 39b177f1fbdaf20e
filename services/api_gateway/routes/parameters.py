"""Which parts of a request come from path, query and headers: read off the request Struct."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, get_origin

import msgspec
from msgspec import NODEFAULT, Meta

from libs.contracts.catalogue import declared_events
from libs.contracts.live import type_name
from libs.contracts.messages import ManagementRequest
from services.api_gateway.routes.docstrings import attribute_texts
from services.api_gateway.routes.patterns import OF_PARAMETERS

MAX_PAGE = 1000
"""Most entries a page may have."""

FOLLOWED = frozenset({"after"})
"""Fields nobody outside sends: the gateway follows a list on the bus itself."""

_COMMON = frozenset(ManagementRequest.__struct_fields__)
_BODIES = frozenset({"body", "payload"})
_HEADERS = {
    "if_match": "If-Match",
    "if_none_match": "If-None-Match",
    "last_event_id": "Last-Event-ID",
}
_EVENT_TYPES = tuple(sorted({type_name(event) for event in declared_events()}))
_BOUNDED: Mapping[str, Any] = {
    "offset": Annotated[int, Meta(ge=0, le=2**31 - 1)],
    "limit": Annotated[int, Meta(ge=1, le=MAX_PAGE)],
    "event_types": tuple[Literal[_EVENT_TYPES], ...],  # type: ignore[valid-type]  # read from the contracts
}

_TEXTS = {
    "applicationName": "Name of the application.",
    "versionName": "Full name of the application version, `<application>-<suffix>`.",
    "serviceInstanceName": "Service instance the configuration is for: `epmx`, `kpc`, ...",
    "endpointId": "Id of the endpoint.",
    "key": "Name of the metadata key.",
    "include": "What to include, several separated by commas.",
    "filterId": "Id of the filter.",
    "tokenId": "Id of the token (`endpointTokenId`), not its value.",
    "credentialId": "Id of the credential.",
    "apiKeyId": "Id of the API key, not its value.",
    "appName": "Name of the application.",
    "taskId": "Id of the task.",
    "force": "Delete it although it has endpoints, and delete those as well.",
    "status": "Only these states, several separated by commas.",
    "order": "By creation: `DESC` = newest first.",
    "offset": "How many entries to skip.",
    "limit": "How many entries to return, at most 1,000.",
    "If-Match": "Do it only if the entity tag is still this one; else 412.",
    "If-None-Match": "The entity tag you have; 304 when nothing changed since.",
}
_EXAMPLES: Mapping[str, Any] = {
    "applicationName": "olives",
    "versionName": "olives-v1",
    "applicationVersionName": "olives-v1",
    "serviceInstanceName": "epmx",
    "endpointId": "tree-17",
    "endpointIdPrefix": "tree-",
    "key": "model",
    "filterId": "5f2c9e0b7a41d836",
    "tokenId": "9c8836ca-505f-4fcb-aeaa-d39e13b6a3f1",
    "credentialId": "5d0cf6fd-92a7-4df5-8a53-60a4d1b0bd0e",
    "apiKeyId": "2af4e4a9-c92b-4aa3-822d-ba71860161fc",
    "sort": "-createdDate",
    "columns": "location",
    "applicationNames": "olives",
    "appName": "olives",
    "taskId": "7f2b9c41d08e35aa",
    "appVersion": "olives-v1",
    "timeSeriesName": "auto~temperature",
    "fromDate": "2026-11-21T00:00:00Z",
    "toDate": "2026-11-22T00:00:00Z",
    "type": "endpoint.metadata.updated",
    "Last-Event-ID": "EVENTS-19aa24b8d11-41",
    "from": "2026-11-21T00:00:00Z",
    "to": "2026-11-22T00:00:00Z",
    "operation": "createEndpoint",
    "If-Match": '"6f1c"',
    "If-None-Match": '"6f1c"',
}


class Place(Enum):
    """Where a parameter stands."""

    PATH = "path"
    QUERY = "query"
    HEADER = "header"


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter.

    Attributes:
        name: As it is written in the request.
        attribute: Field of the request Struct.
        place: Where it stands.
        type: What it is converted to, with its bounds.
        default: Value when it is not given; ``NODEFAULT`` when it must be.
        description: What it does.
        example: A value that works; None = the schema says enough.
        pattern: What names look like, for documentation: the owner holds them to it.
    """

    name: str
    attribute: str
    place: Place
    type: Any
    default: Any
    description: str
    example: Any
    pattern: str | None

    @property
    def required(self) -> bool:
        """Whether it must be given; a part of the path always is."""
        return self.default is NODEFAULT or self.place is Place.PATH


def parameters_of(
    request: type[msgspec.Struct], *, placeholders: Sequence[str], without: Collection[str]
) -> tuple[Parameter, ...]:
    """Tell what of a request Struct comes from path, query and headers, in that order.

    Raises:
        ValueError: A placeholder of the path is no field of the Struct.
    """
    texts = attribute_texts(request)
    found = [
        _parameter(each, placeholders, texts.get(each.name))
        for each in msgspec.structs.fields(request)
        if each.name not in _COMMON | _BODIES | FOLLOWED and each.name not in without
    ]
    in_path = {each.name: each for each in found if each.place is Place.PATH}
    unknown = [name for name in placeholders if name not in in_path]
    if unknown:
        raise ValueError(f"{request.__name__} has no field for {', '.join(unknown)}")
    others = [each for place in (Place.QUERY, Place.HEADER) for each in found if each.place is place]
    return (*(in_path[name] for name in placeholders), *others)


def _parameter(info: msgspec.structs.FieldInfo, placeholders: Sequence[str], text: str | None) -> Parameter:
    name = _HEADERS.get(info.name, info.encode_name)
    place = Place.QUERY
    if info.encode_name in placeholders:
        place = Place.PATH
    elif info.name in _HEADERS:
        place = Place.HEADER
    return Parameter(
        name=name,
        attribute=info.name,
        place=place,
        type=_BOUNDED.get(info.name, info.type),
        default=info.default,
        description=text or _TEXTS.get(name, ""),
        example=None if get_origin(info.type) is Literal else _EXAMPLES.get(name),
        pattern=OF_PARAMETERS.get(name) if info.default is NODEFAULT or place is Place.PATH else None,
    )
