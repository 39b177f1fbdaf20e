"""The operator's side over REST: makes the application and its trees, and reads back what is stored."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import msgspec

from libs.contracts.time_series import iso
from tools.simulator.problem import SimulatorError, words
from tools.simulator.stack import Addresses

_TIMEOUT: Final = aiohttp.ClientTimeout(total=60)
_SERIES: Final = "auto~n"
_MS: Final = 1000
_HINTS: Final[Mapping[int, str]] = {
    401: "is --key right? The key of a local stack is apiKey in .data/ready.json",
    403: "the key needs scope write, and must not be limited to other applications",
}
_decode = msgspec.json.decode
_QUOTA: Final = 300
"""Characters of an answer that are shown."""


class AwayError(Exception):
    """The stack did not answer, or asked to be asked later."""


@dataclass(frozen=True, slots=True)
class Device:
    """An endpoint and what its device needs to speak for it."""

    endpoint_id: str
    app_version: str
    token: str

    @property
    def application(self) -> str:
        """Name of its application."""
        return self.app_version.rpartition("-")[0]

    @property
    def topic(self) -> str:
        """Where its samples go: an MQTT topic without request id, or the path of a URL."""
        return f"kp1/{self.app_version}/dcx/{self.token}/json"


class Rest:
    """REST with one API key."""

    def __init__(self, addresses: Addresses, session: aiohttp.ClientSession) -> None:
        self._api = addresses.api
        self._headers = {"Authorization": f"Bearer {addresses.key}"}
        self._session = session

    async def version(self, application: str | None) -> str:
        """Return the first version of the application; what is not there is made.

        Raises:
            SimulatorError: It cannot be had.
            AwayError: Nobody answers.
        """
        known = None
        if application is not None:
            known = await self._call(
                "GET", f"/tekton/api/v1/applications/{quote(application, safe='')}", absent_ok=True
            )
        if known is None:
            body = {"displayName": "Simulated olive grove"} | ({"name": application} if application else {})
            known = await self._call("POST", "/tekton/api/v1/applications", body)
        if not known["versions"]:
            path = f"/tekton/api/v1/applications/{known['name']}/app-versions"
            return str((await self._call("POST", path, {"nameSuffix": "v1"}))["name"])
        return str(known["versions"][0]["name"])

    async def device(self, app_version: str, metadata: Mapping[str, object]) -> Device:
        """Make an endpoint.

        Raises:
            SimulatorError: It is refused.
            AwayError: Nobody answers.
        """
        body = {"appVersion": {"name": app_version}, "metadata": metadata}
        created = await self._call("POST", "/epr/api/v1/endpoints", body)
        return Device(created["endpointId"], app_version, created["token"])

    async def stored(
        self, application: str, endpoint_ids: Sequence[str], *, since: datetime, until: datetime
    ) -> dict[str, Counter[int]]:
        """Count the numbers of all samples of these endpoints between two instants.

        Raises:
            SimulatorError: It is refused.
            AwayError: Nobody answers, or the answer broke off.
        """
        query = {
            "timeSeriesName": _SERIES,
            "fromDate": iso(int(since.timestamp() * _MS)),
            "toDate": iso(int(until.timestamp() * _MS)),
            "endpointId": ",".join(endpoint_ids),
        }
        path = f"/epts/api/v1/applications/{application}/time-series/data"
        headers = self._headers | {"Accept": "application/x-ndjson"}
        found: dict[str, Counter[int]] = {endpoint_id: Counter() for endpoint_id in endpoint_ids}
        try:
            async with self._session.get(f"{self._api}{path}", params=query, headers=headers) as answer:
                await self._check(answer, f"GET {path}")
                async for line in answer.content:
                    point = _decode(line)
                    found[point["endpointId"]][int(point["values"]["value"])] += 1
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as error:
            raise AwayError(f"{self._api} does not answer: {words(error)}") from error
        return found

    async def _call(self, method: str, path: str, body: object = None, *, absent_ok: bool = False) -> Any:  # noqa: ANN401 - JSON
        try:
            async with self._session.request(
                method, f"{self._api}{path}", json=body, headers=self._headers
            ) as answer:
                if absent_ok and answer.status == HTTPStatus.NOT_FOUND:
                    return None
                await self._check(answer, f"{method} {path}")
                return await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise AwayError(f"{self._api} does not answer: {words(error)}") from error

    async def _check(self, answer: aiohttp.ClientResponse, what: str) -> None:
        if answer.ok:
            return
        text = " ".join((await answer.text(errors="replace")).split())[:_QUOTA]
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise AwayError(f"{what} was answered {answer.status}: {text}")
        hint = _HINTS.get(answer.status, "")
        raise SimulatorError(
            f"{what} was refused with {answer.status}{f' ({hint})' if hint else f': {text}'}"
        )


@asynccontextmanager
async def operator(addresses: Addresses) -> AsyncIterator[Rest]:
    """Open REST for the length of the block."""
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
        yield Rest(addresses, session)
