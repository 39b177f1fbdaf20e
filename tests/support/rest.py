"""An operator and a device as the outside world has them: REST with an API key, KP1 over HTTP.

::

    async with operator(stack) as rest:
        twin = await rest.new_twin(metadata={"description": "an olive tree"})
        await twin.update(model="BFG 9000")
        await rest.set_status(twin, await rest.only_token(twin), "Suspended")
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import aiohttp
from multidict import CIMultiDictProxy

from libs.contracts.payload import encode_json

Json: TypeAlias = Any
"""A decoded JSON value, whose shape the test knows."""

_TIMEOUT = aiohttp.ClientTimeout(total=40)


class Addresses(Protocol):
    """Where the suite is: a running stack, or anything shaped like ready.json."""

    @property
    def http(self) -> str: ...
    @property
    def api(self) -> str: ...
    @property
    def api_key(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, body as JSON (or None), headers."""

    status: int
    body: Json
    headers: CIMultiDictProxy[str]


@dataclass(frozen=True, slots=True)
class Twin:
    """An endpoint and the device that holds its token."""

    endpoint_id: str
    token: str
    application: str
    app_version: str
    base_url: str
    session: aiohttp.ClientSession

    async def post(self, resource: str, body: Json = None, *, raw: bytes | None = None) -> Answer:
        """Send one KP1 request as curl would, with its default content type."""
        url = f"{self.base_url}/kp1/{self.app_version}/{resource.replace('<token>', self.token)}"
        data = raw if raw is not None else (b"" if body is None else encode_json(body))
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return await _answer(self.session.post(url, data=data, headers=headers))

    async def get(self) -> Answer:
        """``epmx get``: all metadata the device may see."""
        return await self.post("epmx/<token>/get", {})

    async def update(self, **keys: Json) -> Answer:
        """``epmx update/keys``: merge top-level keys."""
        return await self.post("epmx/<token>/update/keys", keys)


class Operator:
    """REST with one API key."""

    def __init__(self, stack: Addresses, session: aiohttp.ClientSession) -> None:
        self._stack = stack
        self._session = session

    async def call(self, method: str, path: str, body: Json = None, **headers: str) -> Answer:
        """Make one REST call; header names are given with underscores."""
        sent = {"Authorization": f"Bearer {self._stack.api_key}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else encode_json(body)
            sent.setdefault("Content-Type", "application/json")
        url = f"{self._stack.api}{path}"
        return await _answer(self._session.request(method, url, data=data, headers=sent))

    async def done(self, method: str, path: str, body: Json = None, **headers: str) -> Json:
        """Make one REST call that must succeed; returns the body."""
        answer = await self.call(method, path, body, **headers)
        assert 200 <= answer.status < 300, f"{method} {path}: {answer.status} {answer.body}"
        return answer.body

    async def new_version(self, *, suffix: str = "v1") -> str:
        """Create an application with one version; returns the version name."""
        application = await self.done("POST", "/tekton/api/v1/applications", {"displayName": "Grove"})
        versions = f"/tekton/api/v1/applications/{application['name']}/app-versions"
        name: str = (await self.done("POST", versions, {"nameSuffix": suffix}))["name"]
        return name

    async def new_twin(self, version: str | None = None, **fields: Json) -> Twin:
        """Create an endpoint (in a new application unless a version is given)."""
        version = version or await self.new_version()
        body = {"appVersion": {"name": version}, **fields}
        created = await self.done("POST", "/epr/api/v1/endpoints", body)
        return self.twin(created["endpointId"], created["token"], version)

    def twin(self, endpoint_id: str, token: str, version: str) -> Twin:
        """Make a device for an endpoint that exists."""
        application = version.rpartition("-")[0]
        return Twin(endpoint_id, token, application, version, self._stack.http, self._session)

    async def metadata(self, twin: Twin) -> Json:
        """Read the twin's metadata."""
        return await self.done("GET", f"/epr/api/v1/endpoints/{twin.endpoint_id}/metadata")

    async def tokens(self, twin: Twin) -> list[dict[str, Json]]:
        """List the twin's tokens, newest first."""
        page = await self.done("GET", f"/cm/api/v1/endpoints/{twin.endpoint_id}/tokens")
        content: list[dict[str, Json]] = page["content"]
        return content

    async def only_token(self, twin: Twin) -> str:
        """Return the id of the twin's single token."""
        (token,) = await self.tokens(twin)
        token_id: str = token["endpointTokenId"]
        return token_id

    async def set_status(self, twin: Twin, token_id: str, status: str) -> Answer:
        """Ask for a token to be moved to another state."""
        path = f"/cm/api/v1/endpoints/{twin.endpoint_id}/tokens/{token_id}/status"
        return await self.call("PUT", path, {"status": status})


@asynccontextmanager
async def operator(stack: Addresses) -> AsyncIterator[Operator]:
    """Open the sockets of an operator and of its devices."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT) as session:
        yield Operator(stack, session)


async def _answer(request: AbstractAsyncContextManager[aiohttp.ClientResponse]) -> Answer:
    async with request as response:
        raw = await response.read()
        body = await response.json(content_type=None) if raw else None
        return Answer(response.status, body, response.headers)
