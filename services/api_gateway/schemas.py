"""JSON Schema of the contracts' Structs, with what their docstrings say, for OpenAPI 3.1."""

import enum
from collections.abc import Iterable
from typing import Any

import msgspec

from services.api_gateway.routes.docstrings import attribute_texts, lead_text
from services.api_gateway.routes.patterns import OF_FIELDS

Schema = dict[str, Any]

_REF = "#/components/schemas/{name}"


class Schemas:
    """Schemas of types, and the components they refer to.

    Args:
        types: Every type that will be asked for.
        closed: Types of request bodies: a field they do not have is an error.
    """

    def __init__(self, types: Iterable[Any], *, closed: Iterable[Any]) -> None:
        every = list(types)
        schemas, components = msgspec.json.schema_components(every, ref_template=_REF)
        self._schemas = {repr(kind): schema for kind, schema in zip(every, schemas, strict=True)}
        classes = {each.__name__: each for kind in every for each in _named_in(kind)}
        shut = {each.__name__ for kind in closed for each in _named_in(kind)}
        self.components: Schema = {
            name: _described(schema, classes[name], closed=name in shut)
            for name, schema in sorted(components.items())
        }

    def of(self, kind: Any) -> Schema:  # noqa: ANN401 - a type expression
        """The schema of one of the types."""
        return self._schemas[repr(kind)]


def bare(kind: Any) -> Schema:  # noqa: ANN401 - a type expression
    """The schema of a type without named parts, such as a parameter's; enumerations are inlined."""
    (schema,), components = msgspec.json.schema_components([kind], ref_template=_REF)
    return _inlined(schema, components)


def _inlined(schema: Schema, components: Schema) -> Schema:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _inlined(components[name], components)
    without_null = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(without_null) == 1:  # what may be left out may not be null as well: there is no way to write it
        return _inlined(without_null[0], components)
    found = {
        key: _inlined(value, components) if isinstance(value, dict) else value
        for key, value in schema.items()
        if key not in {"default", "title", "description"}
    }
    return {"type": "string"} | found if "enum" in found else found


def _described(schema: Schema, kind: type, *, closed: bool) -> Schema:
    found = {key: value for key, value in schema.items() if key not in {"title", "description"}}
    if issubclass(kind, enum.Enum):
        found = {"type": "string", "enum": [member.value for member in kind]}
    text = lead_text(kind)
    if text:
        found = {"description": text} | found
    if "properties" in found:
        found["properties"] = _properties(found["properties"], kind)
    if closed and "properties" in found:
        found["additionalProperties"] = False
    return found


def _properties(properties: Schema, kind: type) -> Schema:
    names = dict(zip(kind.__struct_encode_fields__, kind.__struct_fields__, strict=True))  # type: ignore[attr-defined] # only Structs have properties
    texts = attribute_texts(kind)
    return {
        name: ({"description": texts[names[name]]} if names[name] in texts else {})
        | _patterned(schema, OF_FIELDS.get(f"{kind.__name__}.{name}"))
        for name, schema in properties.items()
    }


def _patterned(schema: Schema, pattern: str | None) -> Schema:
    """Say what text looks like, wherever the schema allows text."""
    if pattern is None:
        return schema
    if schema.get("type") == "string":
        return schema | {"pattern": pattern}
    if schema.get("type") == "array":
        return schema | {"items": _patterned(schema["items"], pattern)}
    if schema.get("type") == "object":
        return schema | {"propertyNames": {"pattern": pattern}}
    if "anyOf" in schema:
        return schema | {"anyOf": [_patterned(each, pattern) for each in schema["anyOf"]]}
    return schema


def _named_in(kind: Any) -> Iterable[type]:  # noqa: ANN401 - a type expression
    """Every Struct and enumeration a type reaches."""
    seen: set[type] = set()
    waiting = [kind]
    while waiting:
        each = waiting.pop()
        waiting.extend(getattr(each, "__args__", ()))
        if isinstance(each, type) and issubclass(each, msgspec.Struct | enum.Enum) and each not in seen:
            seen.add(each)
            if issubclass(each, msgspec.Struct):
                waiting.extend(info.type for info in msgspec.structs.fields(each))
    return seen
