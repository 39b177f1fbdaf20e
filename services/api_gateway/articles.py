"""One operation on the page at ``/docs``: what it takes, an example to copy, what it answers."""

from collections.abc import Iterator, Mapping
from typing import Any

from services.api_gateway.curl import curl
from services.api_gateway.markup import Markup, code_block, element, inline, joined, json_block, prose
from services.api_gateway.schema_tables import Schema, fields_table, type_words
from services.api_gateway.series_formats import CSV, NDJSON


def operation_article(
    method: str, path: str, operation: Mapping[str, Any], schemas: Mapping[str, Schema]
) -> Markup:
    """Show an operation; its anchor is its ``operationId``."""
    name = operation["operationId"]
    return element(
        "article",
        element(
            "h3",
            badge(method),
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


def badge(method: str) -> Markup:
    """A method in its colour."""
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
            # "Try it" of docs.js starts from this
            element("div", _example(content["example"], media_type, "Example body"), data_body=media_type),
        ]
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items()
    )


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


def _example(example: Any, media_type: str, label: str) -> Markup:  # noqa: ANN401 - any JSON, or a text
    show = code_block if media_type in {CSV, NDJSON} else json_block
    return show(example, label=label)


def _success(status: str, response: Mapping[str, Any], schemas: Mapping[str, Schema]) -> Markup:
    parts = [element("h4", "Answer ", element("span", status, class_="status good"))]
    extra = [name for name in response["headers"] if name not in {"Correlation-ID", "Location"}]
    if not response.get("content") or extra:
        told = [inline(response["description"])]
        told += [joined([" Headers: "]), joined([[element("code", name), " "] for name in extra])] * bool(
            extra
        )
        parts.append(element("p", told))
    for media_type, content in response.get("content", {}).items():
        block = _example(content["example"], media_type, "Example answer")
        parts += [_content(content, schemas, marked=False), block]
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
