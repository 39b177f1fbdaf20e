"""The page at ``/docs``, rendered from the OpenAPI document, so that the two cannot disagree.

It is complete without JavaScript; ``console/docs.js`` adds search, copy buttons and "Try it",
for which the elements carry ``data-`` attributes.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from services.api_gateway.articles import badge, operation_article
from services.api_gateway.markup import Markup, anchor, code_block, element, inline, joined, prose
from services.api_gateway.schema_tables import Schema, fields_table, schema_anchor, type_words

_START = """\
# where this page came from
export GROVE=http://127.0.0.1:8090
# an API key; make run prints the first one
export KEY=...

curl "$GROVE/auth/api/v1/me" -H "Authorization: Bearer $KEY\""""


def documentation(document: Mapping[str, Any]) -> str:
    """Write the page for an OpenAPI document."""
    operations = list(_operations(document))
    info = document["info"]
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", info["title"]),
        element("link", rel="icon", href="/console/olive.svg", type="image/svg+xml"),
        element("link", rel="stylesheet", href="/console/style.css"),
        element("script", "", src="/console/docs.js", defer=True),
    )
    body = element(
        "body",
        element("a", "Skip to the calls", href="#main", class_="skip"),
        _sidebar(document, operations),
        element("main", *_chapters(document, operations), id="main"),
    )
    return "<!doctype html>\n" + element("html", head, body, lang="en")


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def _sidebar(document: Mapping[str, Any], operations: Iterable[tuple[str, str, Mapping[str, Any]]]) -> Markup:
    known = list(operations)
    groups = [
        joined(
            [
                element("h2", element("a", tag["name"], href=f"#{anchor(tag['name'])}")),
                element("ul", [_link(each) for each in known if tag["name"] in each[2]["tags"]]),
            ]
        )
        for tag in document["tags"]
    ]
    more = element(
        "ul",
        element("li", element("a", "Schemas", href="#schemas")),
        element("li", element("a", "openapi.json", href="/openapi.json")),
    )
    return element(
        "aside",
        element(
            "a",
            element("img", src="/console/olive.svg", alt="", width="28", height="28"),
            element("span", "Olivegrove", element("small", f"REST API {document['info']['version']}")),
            href="/",
            class_="brand",
        ),
        element("div", id="tools"),
        element(
            "details",
            element("summary", "Contents"),
            element("nav", groups, element("h2", "More"), more, aria_label="Calls"),
            open=True,
            id="contents",
        ),
    )


def _link(operation: tuple[str, str, Mapping[str, Any]]) -> Markup:
    method, path, what = operation
    return element(
        "li",
        element("a", badge(method), what["summary"], href=f"#{what['operationId']}", title=path),
        data_search=f"{method} {path} {what['summary']}".lower(),
    )


def _chapters(
    document: Mapping[str, Any], operations: list[tuple[str, str, Mapping[str, Any]]]
) -> Iterator[Markup]:
    yield element(
        "header",
        element("h1", document["info"]["title"]),
        prose(document["info"]["description"]),
        element("h2", "Start here"),
        code_block(_START, label="Shell commands"),
    )
    schemas = document["components"]["schemas"]
    for tag in document["tags"]:
        yield element(
            "section",
            element("h2", tag["name"], id=anchor(tag["name"])),
            prose(tag["description"]),
            [operation_article(*each, schemas) for each in operations if tag["name"] in each[2]["tags"]],
            class_="chapter",
        )
    yield element(
        "section",
        element("h2", "Schemas", id="schemas"),
        [_schema(name, schema) for name, schema in schemas.items()],
        class_="chapter",
    )


def _schema(name: str, schema: Schema) -> Markup:
    table = fields_table(schema, marked=True)
    shape = table or element("p", type_words(schema))
    return element(
        "article",
        element("h3", name),
        element("p", inline(schema.get("description", ""))),
        shape,
        id=schema_anchor(name),
        class_="schema",
    )
