"""Whether a value keeps to a schema of our OpenAPI document: the keywords that it uses, and no others."""

import re
from typing import Any, Final, TypeAlias

Json: TypeAlias = Any

KINDS: Final[dict[str, type | tuple[type, ...]]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def resolve(ref: str, document: Json) -> Json:
    """What a reference into the document stands for."""
    node = document
    for step in ref.removeprefix("#/").split("/"):
        node = node[step]
    return node


def fits(value: Json, schema: Json, document: Json) -> bool:
    """Whether a value keeps to a schema of a document."""
    if "$ref" in schema:
        return fits(value, resolve(schema["$ref"], document), document)
    if "anyOf" in schema:
        return any(fits(value, each, document) for each in schema["anyOf"])
    if "not" in schema and fits(value, schema["not"], document):
        return False
    kinds = schema.get("type", list(KINDS))
    of_kind = any(_is_a(each, value) for each in ([kinds] if isinstance(kinds, str) else kinds))
    return of_kind and value in schema.get("enum", [value]) and _parts_fit(value, schema, document)


def _is_a(kind: str, value: Json) -> bool:
    return isinstance(value, KINDS[kind]) and (not isinstance(value, bool) or kind == "boolean")


def _parts_fit(value: Json, schema: Json, document: Json) -> bool:
    if isinstance(value, str):
        long_enough = len(value) >= schema.get("minLength", 0)
        pattern = re.sub(
            r"\$$", r"\\Z", schema.get("pattern", "")
        )  # ECMAScript's end is no line feed before it
        return long_enough and re.search(pattern, value) is not None
    if isinstance(value, list):
        items = schema.get("items", {})
        long_enough = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
        alike = schema.get("uniqueItems", False) and len({repr(each) for each in value}) < len(value)
        return long_enough and not alike and all(fits(each, items, document) for each in value)
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
        names = schema.get("propertyNames", {})
        if len(value) > schema.get("maxProperties", len(value)):
            return False
        if not all(fits(name, names, document) for name in value):
            return False
        return set(schema.get("required", ())) <= value.keys() and all(
            fits(each, known[name], document)
            if name in known
            else others is not False and fits(each, others, document)
            for name, each in value.items()
        )
    return True
