"""OpenAPI 3.1, derived from the route table; the page at ``/docs`` is rendered from this document."""

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Final

from libs.contracts.version import VERSION
from services.api_gateway.live.sse import MEDIA_TYPE
from services.api_gateway.problems import ErrorBody, Problem
from services.api_gateway.routes import Link, Location, Parameter, Place, Route
from services.api_gateway.routes.errors import NOT_MODIFIED
from services.api_gateway.schemas import Schema, Schemas, bare
from services.api_gateway.series_formats import EXAMPLE, MEDIA_TYPES, written

JSON: Final = "application/json"
BEARER: Final = "bearerAuth"
IAMCORE: Final = "iamcoreKey"

_DESCRIPTION = """\
Olivegrove connects things to software: a device speaks MQTT or HTTP, and its digital twin - the \
endpoint - is managed here. Paths and shapes are those of Kaa's REST API.

**Errors** are `{"message": "..."}`, with `details` for malformed requests: every problem, each with its \
place. Unknown parameters and fields are errors, so that a typo is told.

**Every answer** has a `Correlation-ID`, yours if you sent one; it finds the request in the logs of every \
service. Lists are pages `{"content": [...], "totalElements": n}` with `offset` and `limit`, except lists of \
applications, which are arrays. Dates are ISO 8601 in UTC. HEAD works wherever GET does."""

_PROBLEM_EXAMPLE = {
    "message": "query.limt: unknown parameter; did you mean limit?",
    "details": [{"path": "query.limt", "problem": "unknown parameter; did you mean limit?"}],
}
_MESSAGES = {
    401: "an API key is needed: send the header Authorization: Bearer <key>",
    403: "this needs the scope write, the API key has read",
    408: "the body did not arrive within 20 s",
    429: "the API key may make 10 requests a second",
    500: "Internal Server Error",
    503: "the service is not available",
    504: "the service did not answer in time",
}
_COME_BACK = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def openapi(routes: Sequence[Route]) -> Schema:
    """Describe a route table."""
    schemas = _schemas(routes)
    paths: dict[str, Schema] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, routes, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Olivegrove REST API",
            "version": VERSION,
            "summary": "Applications, endpoints, metadata, time series, tokens and API keys.",
            "description": _DESCRIPTION,
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This very server."}],
        "security": [{BEARER: []}, {IAMCORE: []}],
        "tags": [
            {"name": tag.name, "description": tag.description}
            for tag in {route.tag.name: route.tag for route in routes}.values()
        ],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "headers": _HEADERS,
            "securitySchemes": {
                BEARER: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`Authorization: Bearer <key>`, the key as it was told at its creation.",
                },
                IAMCORE: {
                    "type": "apiKey",
                    "in": "header",
                    "name": "x-iamcore-api-key",
                    "description": "The same key in the header Kaa's clients send.",
                },
            },
        },
    }


_HEADERS = {
    "Correlation-ID": {
        "description": "Names this request in the logs of every service; the one you sent, or a new one.",
        "schema": {"type": "string"},
    },
    "ETag": {
        "description": "Entity tag, quotes included; send it back as If-Match or If-None-Match.",
        "schema": {"type": "string"},
    },
    "Grove-Next": {
        "description": "The `cursor` of what follows; absent without `limit`, or when nothing follows.",
        "schema": {"type": "string"},
    },
    "Location": {
        "description": "Path of what was created.",
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "How to authenticate.", "schema": {"type": "string"}},
}


def _schemas(routes: Iterable[Route]) -> Schemas:
    bodies = [route.body_type for route in routes if route.body_type is not None]
    replies = [route.reply_type for route in routes if route.reply_type is not None]
    return Schemas([*bodies, *replies, ErrorBody, Problem], closed=bodies)


def _operation(route: Route, routes: Sequence[Route], schemas: Schemas) -> Schema:
    found: Schema = {
        "operationId": route.operation_id,
        "tags": [route.tag.name],
        "summary": route.summary,
        "description": f"{route.description}\n\nNeeds the scope `{route.scope.value}`"
        + (" and a key that is not limited to applications." if route.whole else "."),
        "x-required-scope": route.scope.value,
        "security": [{BEARER: [route.scope.value]}, {IAMCORE: [route.scope.value]}],
    }
    parameters = [*map(_parameter, route.parameters), *_ignored(route.ignored)]
    if parameters:
        found["parameters"] = parameters
    if route.has_body:
        found["requestBody"] = _request_body(route, schemas)
    found["responses"] = _responses(route, routes, schemas)
    return found


def _parameter(parameter: Parameter) -> Schema:
    schema = bare(parameter.type)
    found: Schema = {
        "name": parameter.name,
        "in": parameter.place.value,
        "description": parameter.description,
        "required": parameter.required,
        "schema": schema,
    }
    if parameter.pattern is not None:
        schema["pattern"] = parameter.pattern
    if schema.get("type") == "array":
        schema["minItems"] = 1
        found |= {"style": "form", "explode": False}
    elif schema.get("type") == "string" and not schema.keys() & {"enum", "pattern"}:
        schema["minLength"] = 1
    if parameter.place is not Place.PATH and not parameter.required and parameter.default not in (None, ()):
        schema["default"] = parameter.default
    if parameter.example is not None:
        example = [parameter.example] if schema.get("type") == "array" else parameter.example
        found["example"] = example
    return found


def _ignored(ignored: Mapping[str, str]) -> Iterable[Schema]:
    for name, meaning in ignored.items():
        yield {
            "name": name,
            "in": Place.QUERY.value,
            "description": f"Kaa: {meaning}. Accepted and ignored; the answer says so in `Grove-Ignored`.",
            "required": False,
            "deprecated": True,
            "schema": {"type": "string"},
        }


def _request_body(route: Route, schemas: Schemas) -> Schema:
    media_type, schema = JSON, schemas.of(route.body_type) if route.document is None else None
    if route.document is not None:
        media_type, schema = route.document.media_type, dict(route.document.schema)
    return {"required": True, "content": {media_type: {"schema": schema, "example": route.request_example}}}


def _responses(route: Route, routes: Sequence[Route], schemas: Schemas) -> Schema:
    found = {str(route.success): _success(route, routes, schemas)}
    for status, reason in route.all_errors.items():
        found[str(status)] = _not_modified(reason) if status == NOT_MODIFIED else _error(status, reason)
    return dict(sorted(found.items()))


def _success(route: Route, routes: Sequence[Route], schemas: Schemas) -> Schema:
    names = ["Correlation-ID"]
    if route.location is not None:
        names.append("Location")
    if route.tells_e_tag:
        names.append("ETag")
    if route.streamed:
        names.append("Grove-Next")
    found: Schema = {"description": _success_text(route), "headers": _header_refs(names)}
    schema = route.answer if route.reply_type is None else schemas.of(route.reply_type)
    if schema is not None:
        media_type = MEDIA_TYPE if route.live else JSON
        found["content"] = {media_type: {"schema": dict(schema), "example": route.response_example}}
    if route.texts:
        found["content"] = {
            each: {"schema": {"type": "string"}, "example": example} for each, example in route.texts.items()
        }
    if route.streamed:
        found["content"] |= {
            each: {"schema": {"type": "string"}, "example": written([EXAMPLE], each)}
            for each in MEDIA_TYPES
            if each != JSON
        }
    links = _links(route, routes)
    if links:
        found["links"] = links
    return found


def _success_text(route: Route) -> str:
    if route.success == HTTPStatus.CREATED:
        return "Created; `Location` says where."
    return "Done; there is no body." if route.success == HTTPStatus.NO_CONTENT else "The answer."


def _links(route: Route, routes: Sequence[Route]) -> Schema:
    """What can be called next with the ids that were answered: generated clients and tests follow these."""
    found: Schema = {}
    if route.location is not None:
        filled = _filled(route.location)
        found = {
            each.operation_id: {"operationId": each.operation_id, "parameters": filled}
            for each in routes
            if set(_PLACEHOLDER.findall(each.path)) == set(filled)
        }
    return found | {link.to: _link(link) for link in route.links}


def _filled(location: Location) -> Mapping[str, str]:
    return {
        name: f"$response.body#/{location.takes[name]}" if name in location.takes else f"$request.path.{name}"
        for name in _PLACEHOLDER.findall(location.path)
    }


def _link(link: Link) -> Schema:
    found: Schema = {"operationId": link.to}
    if link.parameters:
        found["parameters"] = dict(link.parameters)
    if link.body:
        found["requestBody"] = dict(link.body)
    return found


def _not_modified(reason: str) -> Schema:
    return {"description": reason, "headers": _header_refs(["Correlation-ID", "ETag"])}


def _error(status: int, reason: str) -> Schema:
    names = ["Correlation-ID"]
    names += ["WWW-Authenticate"] if status in {401, 403} else []
    names += ["Retry-After"] if status in _COME_BACK else []
    example = _PROBLEM_EXAMPLE if status == HTTPStatus.BAD_REQUEST else {"message": _message(status, reason)}
    schema = {"$ref": "#/components/schemas/ErrorBody"}
    return {
        "description": reason,
        "headers": _header_refs(names),
        "content": {JSON: {"schema": schema, "example": example}},
    }


def _message(status: int, reason: str) -> str:
    return _MESSAGES.get(status, reason[:1].lower() + reason[1:].rstrip("."))


def _header_refs(names: Iterable[str]) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
