"""The OpenAPI document holds what OpenAPI 3.1 asks, and says what the routes do."""

import json
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest

from services.api_gateway.openapi import openapi
from services.api_gateway.routes import ROUTES
from services.api_gateway.routes.docstrings import attribute_texts, lead_text
from services.api_gateway.routes.patterns import OF_FIELDS
from tests.support import json_schema
from tests.support.api_gateway import target_of

Json: TypeAlias = Any

DOCUMENT = openapi(ROUTES)
OPERATIONS = [
    pytest.param(path, method, operation, id=f"{method} {path}")
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
every_operation = pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)


def walk(node: Json) -> Iterator[dict[str, Json]]:
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from walk(child)
    elif isinstance(node, list):
        for child in node:
            yield from walk(child)


def resolve(ref: str) -> Json:
    return json_schema.resolve(ref, DOCUMENT)


def fits(value: Json, schema: Json) -> bool:
    return json_schema.fits(value, schema, DOCUMENT)


def test_the_document_is_json_in_a_stable_order() -> None:
    assert json.dumps(DOCUMENT) == json.dumps(openapi(ROUTES))
    assert DOCUMENT["openapi"] == "3.1.0"
    assert {"title", "version", "description"} <= DOCUMENT["info"].keys()
    assert list(DOCUMENT["components"]["schemas"]) == sorted(DOCUMENT["components"]["schemas"])


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    refs = {node["$ref"] for node in walk(DOCUMENT) if isinstance(node.get("$ref"), str)}

    assert all(resolve(ref) is not None for ref in refs)
    schemas = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    assert schemas <= refs


def test_every_tag_is_explained_and_every_operation_named_once() -> None:
    tags = {tag["name"] for tag in DOCUMENT["tags"]}
    operations = [operation for methods in DOCUMENT["paths"].values() for operation in methods.values()]

    assert {tag for operation in operations for tag in operation["tags"]} == tags
    assert len({operation["operationId"] for operation in operations}) == len(operations)


@every_operation
def test_an_operation_is_complete(path: str, method: str, operation: dict[str, Json]) -> None:
    assert re.fullmatch(r"[a-z][A-Za-z]+", operation["operationId"])
    assert operation["summary"]
    assert operation["description"]
    assert operation["security"]
    assert {"400", "401", "403", "500", "503", "504"} <= operation["responses"].keys()
    in_path = [each["name"] for each in operation.get("parameters", []) if each["in"] == "path"]
    assert in_path == re.findall(r"\{(\w+)\}", path)
    assert ("requestBody" in operation) == (method in {"post", "put", "patch"})


@every_operation
def test_a_parameter_is_described_and_unique(path: str, method: str, operation: dict[str, Json]) -> None:
    parameters = operation.get("parameters", [])

    assert len({(each["name"], each["in"]) for each in parameters}) == len(parameters)
    for each in parameters:
        assert each["description"], each["name"]
        assert each["in"] in {"path", "query", "header"}
        assert each["required"] or each["in"] != "path"
        assert "type" in each["schema"], each["name"]
        if "example" in each:
            assert fits(each["example"], each["schema"]), each["name"]


@every_operation
def test_an_answer_is_described_with_an_example_that_fits(
    path: str, method: str, operation: dict[str, Json]
) -> None:
    for status, response in operation["responses"].items():
        assert response["description"].endswith("."), status
        assert "Correlation-ID" in response["headers"], status
        assert ("content" in response) == (status not in {"204", "304"}), status
        for content in response.get("content", {}).values():
            assert fits(content["example"], content["schema"]), status


@every_operation
def test_the_example_of_a_body_fits_its_schema(path: str, method: str, operation: dict[str, Json]) -> None:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        assert fits(content["example"], content["schema"])


@every_operation
def test_a_link_leads_to_an_operation_with_these_parameters(
    path: str, method: str, operation: dict[str, Json]
) -> None:
    targets = {each.operation_id: each for each in ROUTES}
    for response in operation["responses"].values():
        for link in response.get("links", {}).values():
            target = targets[link["operationId"]]
            assert link.get("parameters", {}).keys() <= {each.name for each in target.parameters}
            if "requestBody" in link:
                body = DOCUMENT["paths"][target.path][target.method.lower()]["requestBody"]
                schema = resolve(body["content"]["application/json"]["schema"]["$ref"])
                assert link["requestBody"].keys() <= schema["properties"].keys()
            assert link.keys() > {"operationId"}


def test_fields_that_are_not_there_are_errors_in_bodies_only() -> None:
    schemas = DOCUMENT["components"]["schemas"]

    assert schemas["NewEndpoint"]["additionalProperties"] is False
    assert schemas["AppVersionRef"]["additionalProperties"] is False
    assert "additionalProperties" not in schemas["Endpoint"]


@pytest.mark.parametrize("field", OF_FIELDS)
def test_what_a_field_of_a_body_looks_like_is_said(field: str) -> None:
    struct, _, name = field.partition(".")
    schema = DOCUMENT["components"]["schemas"][struct]["properties"][name]

    assert OF_FIELDS[field] in [each.get("pattern") for each in walk(schema)]


def test_docstrings_become_descriptions_for_people_outside() -> None:
    schemas = DOCUMENT["components"]["schemas"]

    assert schemas["NewEndpoint"]["properties"]["endpointToken"]["description"].startswith("The token to use")
    assert "Attributes" not in json.dumps(DOCUMENT)
    assert "None" not in json.dumps({name: each for name, each in schemas.items() if name == "ApiKey"})
    assert "``" not in json.dumps(DOCUMENT)


def test_a_docstring_is_read_with_its_continued_lines() -> None:
    class Sample:
        """First line.

        Attributes:
            name: What it is
                called, ``a-z``; None = nameless.
            other: Something else.
        """

    assert lead_text(Sample) == "First line."
    assert attribute_texts(Sample) == {
        "name": "What it is called, `a-z`; null = nameless.",
        "other": "Something else.",
    }


def test_states_are_listed_in_their_order() -> None:
    listed = DOCUMENT["paths"]["/cm/api/v1/endpoints/{endpointId}/tokens"]["get"]["parameters"]
    (status,) = [each for each in listed if each["name"] == "status"]

    assert set(status["schema"]["items"]["enum"]) == {"Inactive", "Active", "Suspended", "Revoked"}
    assert DOCUMENT["components"]["schemas"]["TokenStatus"]["enum"][0] == "Inactive"


def test_example_targets_have_no_placeholder_left() -> None:
    assert not [route for route in ROUTES if re.search(r"[{}]|\.\.\.", target_of(route))]
