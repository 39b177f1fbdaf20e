"""The page at ``/docs``, rendered from the OpenAPI document, so that the two cannot disagree.

It is complete without JavaScript; ``console/docs.js`` adds search, copy buttons and "Try it",
for which the elements carry ``data-`` attributes.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from services.api_gateway.curl import curl
from services.api_gateway.markup import Markup, anchor, code_block, element, inline, joined, json_block, prose
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
        element("a", _badge(method), what["summary"], href=f"#{what['operationId']}", title=path),
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
            [_operation(*each, schemas) for each in operations if tag["name"] in each[2]["tags"]],
            class_="chapter",
        )
    yield element(
        "section",
        element("h2", "Schemas", id="schemas"),
        [_schema(name, schema) for name, schema in schemas.items()],
        class_="chapter",
    )


def _operation(method: str, path: str, operation: Mapping[str, Any], schemas: Mapping[str, Schema]) -> Markup:
    name = operation["operationId"]
    return element(
        "article",
        element(
            "h3",
            _badge(method),
            element("code", *_breakable(path), class_="path"),
            element("a", "#", href=f"#{name}", class_="anchor", aria_label=f"Link to {operation['summary']}"),
        ),
        element(
            "p",
            element("strong", operation["summary"]),
            " ",
            element("span", operation["x-required-scope"], class_="scope", title="scope needed"),
        ),
        prose(operation["description"].rpartition("\n\n")[0]),
        _parameters(operation.get("parameters", [])),
        _request(operation, schemas),
        element("h4", "Example"),
        code_block(curl(method, path, operation), label="curl command"),
        _answers(operation, schemas),
        id=name,
        data_method=method,
        data_path=path,
    )


def _badge(method: str) -> Markup:
    return element("span", method, class_=f"method {method.lower()}")


def _breakable(path: str) -> Iterator[Markup]:
    for level in path.split("/")[1:]:
        yield joined([Markup("<wbr>"), "/", element("var", level) if level.startswith("{") else level])


def _parameters(parameters: list[Mapping[str, Any]]) -> Markup:
    if not parameters:
        return Markup("")
    used = [_parameter(each) for each in parameters if not each.get("deprecated")]
    ignored = [element("code", each["name"]) for each in parameters if each.get("deprecated")]
    note = element("p", "Accepted and ignored: ", [[each, " "] for each in ignored], class_="note")
    table = element("div", element("table", element("tbody", used)), class_="scroll")
    return joined([element("h4", "Parameters"), table, note if ignored else ""])


def _parameter(parameter: Mapping[str, Any]) -> Markup:
    schema = parameter["schema"]
    what = [inline(parameter["description"])]
    if "default" in schema:
        what += [joined(" Default: "), element("code", str(schema["default"])), joined(".")]
    mark = element("span", "required", class_="required") if parameter["required"] else ""
    return element(
        "tr",
        element(
            "th",
            element("code", parameter["name"]),
            mark,
            element("span", parameter["in"], class_="place"),
            scope="row",
        ),
        element("td", type_words(schema), class_="type"),
        element("td", what),
        data_name=parameter["name"],
        data_in=parameter["in"],
        data_required=parameter["required"],
        data_example=str(parameter.get("example", "")) if parameter["in"] == "path" else None,
    )


def _request(operation: Mapping[str, Any], schemas: Mapping[str, Schema]) -> Markup:
    return joined(
        [
            element("h4", "Body ", element("span", media_type, class_="place")),
            _content(content, schemas, marked=True),
            json_block_of_body(content["example"], media_type),
        ]
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items()
    )


def json_block_of_body(example: Any, media_type: str) -> Markup:  # noqa: ANN401 - any JSON value
    """The example body, marked so that "Try it" starts from it."""
    return element("div", json_block(example, label="Example body"), data_body=media_type)


def _content(content: Mapping[str, Any], schemas: Mapping[str, Schema], *, marked: bool) -> Markup:
    schema = content["schema"]
    target = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    table = fields_table(target, marked=marked)
    text = target.get("description", "")
    words = joined([type_words(schema), ". "]) if "$ref" in schema or not (table or text) else Markup("")
    return joined([element("p", words, inline(text), class_="shape"), table])


def _answers(operation: Mapping[str, Any], schemas: Mapping[str, Schema]) -> Markup:
    responses: Mapping[str, Any] = operation["responses"]
    good = [(status, each) for status, each in responses.items() if status.startswith("2")]
    others = [(status, each) for status, each in responses.items() if not status.startswith("2")]
    return joined([*(_success(status, each, schemas) for status, each in good), _errors(others)])


def _success(status: str, response: Mapping[str, Any], schemas: Mapping[str, Schema]) -> Markup:
    parts = [element("h4", "Answer ", element("span", status, class_="status good"))]
    extra = [name for name in response["headers"] if name not in {"Correlation-ID", "Location"}]
    if not response.get("content") or extra:
        told = [inline(response["description"])]
        told += [joined([" Headers: "]), joined([[element("code", name), " "] for name in extra])] * bool(
            extra
        )
        parts.append(element("p", told))
    for content in response.get("content", {}).values():
        parts += [
            _content(content, schemas, marked=False),
            json_block(content["example"], label="Example answer"),
        ]
    return joined(parts)


def _errors(responses: list[tuple[str, Mapping[str, Any]]]) -> Markup:
    rows = [
        element(
            "tr",
            element("th", element("span", status, class_="status"), scope="row"),
            element("td", inline(response["description"])),
        )
        for status, response in responses
    ]
    return element(
        "details",
        element("summary", "Other answers ", element("span", ", ".join(status for status, _ in responses))),
        element("div", element("table", element("tbody", rows)), class_="scroll"),
        class_="errors",
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
