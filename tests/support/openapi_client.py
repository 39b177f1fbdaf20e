"""A client made at run time from an OpenAPI document, and from nothing else it knows of the server.

It refuses what the document does not describe, in both directions: a parameter, a status, a content type, a
body that does not keep to its schema. So a script on top of it proves that the document alone is enough.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import quote

import aiohttp
from yarl import URL

from tests.support.json_schema import fits

Json: TypeAlias = Any


class NotDescribedError(Exception):
    """What was to be sent, or what came, is not in the document."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; the status is one of those that the document has."""

    status: int
    headers: Mapping[str, str]
    body: Json


class OpenApiClient:
    """Calls operations by their id.

    Args:
        document: The decoded document.
        server: What its relative server address is relative to.
        key: For the first of its security schemes, a bearer token.
        session: Makes the calls.
    """

    def __init__(self, document: Json, *, server: str, key: str, session: aiohttp.ClientSession) -> None:
        self._document = document
        self._server = URL(server).join(URL(document["servers"][0]["url"]))
        scheme = document["components"]["securitySchemes"][next(iter(document["security"][0]))]
        if (scheme["type"], scheme["scheme"]) != ("http", "bearer"):
            raise NotDescribedError("the first way to authenticate is not a bearer token")
        self._authorization = f"Bearer {key}"
        self._session = session
        self._operations = {
            operation["operationId"]: (method, path, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }

    async def call(self, operation_id: str, *, body: Json = None, **arguments: Json) -> Answer:
        """Make a call; arguments are named as the document names parameters, ``-`` written as ``_``.

        Raises:
            NotDescribedError: The document has no such call, or no such answer to it.
        """
        method, path, operation = self._operations[operation_id]
        sent: dict[str, dict[str, str]] = {"path": {}, "query": {}, "header": {}}
        for parameter in operation.get("parameters", ()):
            name = parameter["name"]
            value = arguments.pop(name.replace("-", "_"), None)
            if value is not None:
                _expect(f"{name}={value!r}", described=self._fits(value, parameter["schema"]))
                sent[parameter["in"]][name] = ",".join(value) if isinstance(value, list) else str(value)
            elif parameter["required"]:
                raise NotDescribedError(f"{operation_id} needs {name}")
        _expect(f"{operation_id} with {', '.join(arguments)}", described=not arguments)
        for name, value in sent["path"].items():
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        headers = sent["header"] | {"Authorization": self._authorization}
        data = self._written(operation, body, headers)
        url = (self._server / "").join(URL(path, encoded=True)).update_query(sent["query"])
        async with self._session.request(method, url, headers=headers, json=data) as response:
            return await self._read(operation, response)

    def _written(self, operation: Json, body: Json, headers: dict[str, str]) -> Json:
        if "requestBody" not in operation:
            _expect("a body", described=body is None)
            return None
        ((media_type, content),) = operation["requestBody"]["content"].items()
        _expect(f"the body {body}", described=self._fits(body, content["schema"]))
        headers["Content-Type"] = media_type
        return body

    async def _read(self, operation: Json, response: aiohttp.ClientResponse) -> Answer:
        described = operation["responses"].get(str(response.status))
        _expect(f"the status {response.status}", described=described is not None)
        if not await response.read():
            _expect("an answer without a body", described="content" not in described)
            return Answer(response.status, response.headers, None)
        content = described.get("content", {}).get(response.content_type)
        _expect(f"the content type {response.content_type}", described=content is not None)
        body = await response.json()
        _expect(f"the answer {body}", described=self._fits(body, content["schema"]))
        return Answer(response.status, response.headers, body)

    def _fits(self, value: Json, schema: Json) -> bool:
        return fits(value, schema, self._document)


def _expect(what: str, *, described: bool) -> None:
    if not described:
        raise NotDescribedError(f"the document does not describe {what}")
