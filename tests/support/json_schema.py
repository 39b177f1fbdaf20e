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
    of_kind = "type" not in schema or isinstance(value, KINDS[schema["type"]])
    return of_kind and value in schema.get("enum", [value]) and _parts_fit(value, schema, document)


def _parts_fit(value: Json, schema: Json, document: Json) -> bool:
    if isinstance(value, str):
        long_enough = len(value) >= schema.get("minLength", 0)
        return long_enough and re.search(schema.get("pattern", ""), value) is not None
    if isinstance(value, list):
        items = schema.get("items", {})
        return len(value) >= schema.get("minItems", 0) and all(fits(each, items, document) for each in value)
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
        return set(schema.get("required", ())) <= value.keys() and all(
            fits(each, known[name], document)
            if name in known
            else others is not False and fits(each, others, document)
            for name, each in value.items()
        )
    return True
