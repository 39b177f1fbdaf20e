"""JSON Schemas as people read them: tables of fields, and types in words with links."""

from collections.abc import Iterable, Mapping
from typing import Any

from services.api_gateway.markup import Markup, anchor, element, inline, joined

Schema = Mapping[str, Any]


def type_words(schema: Schema) -> Markup:
    """Name a type: ``array of Endpoint``, ``text or null``, ``Active | Suspended``."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return element("a", name, href=f"#{schema_anchor(name)}")
    if "enum" in schema:
        choices = [element("code", str(choice)) for choice in schema["enum"]]
        return joined([each for choice in choices for each in (" | ", choice)][1:])
    if "anyOf" in schema:
        words = dict.fromkeys(type_words(each) for each in schema["anyOf"])
        return joined([each for word in words for each in (" or ", word)][1:])
    return _plain_words(schema)


def fields_table(schema: Schema, *, marked: bool) -> Markup:
    """A table of an object's fields, required ones ``marked`` or not; empty for what has no fields."""
    required = schema.get("required", ()) if marked else ()
    rows = [_row(name, field, required=name in required) for name, field in _fields(schema)]
    if not rows:
        return Markup("")
    return element("div", element("table", element("tbody", rows)), class_="scroll")


def schema_anchor(name: str) -> str:
    """Where the schema of this name is on the page."""
    return f"schema-{anchor(name)}"


def _fields(schema: Schema) -> Iterable[tuple[str, Schema]]:
    found: Mapping[str, Schema] = schema.get("properties", {})
    return found.items()


def _row(name: str, schema: Schema, *, required: bool) -> Markup:
    mark = element("span", "required", class_="required") if required else Markup("")
    what = inline(schema.get("description", ""))
    default = schema.get("default")
    if default not in (None, [], {}):
        what = joined([what, " Default: ", element("code", str(default)), "."])
    return element(
        "tr",
        element("th", element("code", name), mark, scope="row"),
        element("td", type_words(schema), class_="type"),
        element("td", what),
    )


def _plain_words(schema: Schema) -> Markup:
    kind = schema.get("type")
    if kind == "array":
        return joined(["array of ", type_words(schema.get("items", {}))])
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return joined(["object of ", type_words(schema["additionalProperties"])])
    if kind == "integer" and "maximum" in schema:
        return joined(f"integer, {schema['minimum']:,} to {schema['maximum']:,}")
    return joined("any JSON" if kind is None else kind)
