"""Make up an example of a message: the same one every time, and one that can be read back.

A field takes the value that its name has in :data:`VALUES`, as far as that fits its type (two messages may
use one name for different things), and otherwise a plain one of its type.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.inspect import (
    BoolType,
    BytesType,
    DictType,
    EnumType,
    FloatType,
    IntType,
    ListType,
    LiteralType,
    StrType,
    StructType,
    Type,
    UnionType,
    VarTupleType,
)

_SAMPLE: Final = b'{"temperature":21.5}'

VALUES: Final[Mapping[str, Any]] = {
    "apiKeyId": "0b6d3c1e-52c8-4f0e-9d57-3f3a8c1f7b21",
    "appName": "olives",
    "applicationName": "olives",
    "appVerName": "olives-v1",
    "appVersionName": "olives-v1",
    "AppVersionUpdatedEvent.appVersionName": "olives-v2",
    "added": {"height": "2.5"},
    "batchId": "9f3c5a7e10b24d68-2a",
    "ConnectedEvent.generations": {},
    "contentType": "application/json",
    "correlationId": "5b7c1e90d2a4f683",
    "credentialIds": ["c2f1b7a4-6f0d-4b5e-8a39-1d7e90c4f562"],
    "dataSamples": [_SAMPLE],
    "DataPoint.timestamp": 1795231898000,
    "dvnUuid": "3f1d7c52-8b0e-4a67-b3c9-5e2d90a1f486",
    "eTag": '"1f0c7d5e9a3b8264-8"',
    "endpointId": "tree-17",
    "endpoint-register.serviceInstanceName": None,
    "endpoints": {"tree-17": "olives-v1"},
    "filterId": "5f2c9e0b7a41d836",
    "filterName": "Old models",
    "generations": {"tree-17": "01a1ee565e00-0000000000000a2f"},
    "ingestionTimestamp": 1795231898102,
    "payload": _SAMPLE,
    "payloadBytes": len(_SAMPLE),
    "position": 3,
    "previousAppVersionName": "olives-v1",
    "reason": "the sample has no usable iso8601 timestamp at meta.at",
    "receivedMs": 1795231898102,
    "removed": {"location": '"row 4"'},
    "resource": "/json",
    "runId": "9f3c5a7e10b24d68",
    "serviceInstanceName": "epts",
    "status": "Suspended",
    "timeSeriesName": "auto~temperature",
    "timeout": 0,
    "timestamp": 1795231898123,
    "tokenIds": ["7c9e6679-7425-40de-944b-e07fc1f90ae7"],
    "transport": "MQTT",
    "updated": {"model": {"newValue": '"BFG 9001"', "oldValue": '"BFG 9000"'}},
    "values": {"value": 21.5},
}
"""Value by name on the wire; ``Struct.field`` or ``originator.field`` goes before the bare name."""

_PLAIN: Final[Mapping[type[Type], object]] = {
    BoolType: True,
    BytesType: b"bytes",
    FloatType: 1.5,
    IntType: 1,
    StrType: "text",
}


def example(message: type[Struct], *, originator: str) -> str:
    """Write a message as indented JSON; bytes are base64 there.

    Args:
        message: The type it is read back as.
        originator: The service that says it.
    """
    values = {**VALUES, "originatorReplicaId": f"{originator}-c41d09ab72e6f358"}
    made = msgspec.convert(_struct(message, originator, values), message)
    return msgspec.json.format(msgspec.json.encode(made), indent=2).decode()


def _struct(struct: type[Struct], originator: str, values: Mapping[str, Any]) -> dict[str, Any]:
    made = {}
    for field in msgspec.structs.fields(struct):
        name = field.encode_name
        keys = (f"{struct.__name__}.{name}", f"{originator}.{name}", name)
        known = (values[key] for key in keys if key in values)
        value = next((each for each in known if _fits(each, field.type)), msgspec.UNSET)
        if value is msgspec.UNSET:
            value = _value(msgspec.inspect.type_info(field.type), originator, values)
        made[name] = value
    return made


def _fits(value: object, annotation: object) -> bool:
    try:
        msgspec.convert(value, annotation)
    except msgspec.ValidationError:
        return False
    return True


def _value(kind: Type, originator: str, values: Mapping[str, Any]) -> object:
    """Make up a value of a type; of several types the first."""
    value: object
    match kind:
        case StructType():
            value = _struct(kind.cls, originator, values)
        case ListType() | VarTupleType():
            value = [_value(kind.item_type, originator, values)]
        case DictType():
            value = {"key": _value(kind.value_type, originator, values)}
        case UnionType():
            value = _value(kind.types[0], originator, values)
        case EnumType():
            value = next(iter(kind.cls)).value
        case LiteralType():
            value = kind.values[0]
        case _:
            value = _PLAIN.get(type(kind))
    return value
