"""Calls of the public REST API, and what to do when one does not succeed."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote, urlencode

import aiohttp
import msgspec

from tools.grove.addresses import Target
from tools.grove.problem import AWAY, REFUSED, WRONG, CommandError

_ANSWER_WITHIN: Final = aiohttp.ClientTimeout(total=60)
_PIECE_WITHIN: Final = aiohttp.ClientTimeout(total=None, connect=10, sock_read=120)
_MAX_SHOWN: Final = 300
_NEXT: Final[Mapping[int, str]] = {
    401: "log in again with `python -m tools.grove login`, or correct GROVE_API_KEY",
    403: "use a key with a wider scope; `whoami` shows what this one may do",
    404: "the lists (`apps list`, `endpoints list`) show what there is",
    429: "wait a moment and try again",
    503: "try again in a moment",
    504: "whether it took effect is not known: look before you try again",
}


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """An answer that is what it should be.

    Attributes:
        raw: The JSON as it came.
        meant: What it means.
    """

    raw: Any
    meant: T


def path(*levels: str) -> str:
    """Build a path; each level is quoted, the first is a prefix.

    Raises:
        CommandError: A level is none: with nothing or dots in its place another path would be called.
    """
    wrong = next((level for level in levels if level in {"", ".", ".."}), None)
    if wrong is not None:
        raise CommandError(f"{wrong!a} is no name and no id", code=WRONG)
    return "/".join([levels[0], *(quote(level, safe="~") for level in levels[1:])])


class Rest:
    """REST with one API key."""

    def __init__(self, target: Target, session: aiohttp.ClientSession) -> None:
        self._target = target
        self._session = session

    async def call(
        self,
        method: str,
        where: str,
        body: object = None,
        *,
        query: Mapping[str, object] | None = None,
        media_type: str = "application/json",
    ) -> Any:  # noqa: ANN401 - any JSON
        """Make a call and return the answer; what is None in the query is left out.

        Raises:
            CommandError: It did not succeed.
        """
        data = None if body is None else msgspec.json.encode(body)
        headers = {} if body is None else {"Content-Type": media_type}
        async with self.streamed(
            method, where, data, query=query, headers=headers, timeout=_ANSWER_WITHIN
        ) as answer:
            raw = await answer.read()
        try:
            return msgspec.json.decode(raw) if raw else None
        except msgspec.DecodeError as error:
            raise CommandError(f"{self._target.api}: {_strange(raw)}", code=AWAY) from error

    async def read(
        self,
        kind: type[T],
        method: str,
        where: str,
        body: object = None,
        *,
        query: Mapping[str, object] | None = None,
    ) -> Answer[T]:
        """Make a call whose answer is of this kind.

        Raises:
            CommandError: It did not succeed, or the answer is of another kind.
        """
        raw = await self.call(method, where, body, query=query)
        try:
            return Answer(raw, msgspec.convert(raw, kind))
        except msgspec.ValidationError as error:
            text = f"{self._target.api} answers, but is no Olivegrove, or another version of it: {error}"
            raise CommandError(text, code=AWAY) from error

    @asynccontextmanager
    async def streamed(
        self,
        method: str,
        where: str,
        data: Any = None,  # noqa: ANN401 - whatever aiohttp can send
        *,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: aiohttp.ClientTimeout = _PIECE_WITHIN,  # noqa: ASYNC109 - aiohttp's own, of each piece
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Make a call whose answer is read piece by piece.

        Raises:
            CommandError: It did not succeed, or broke off.
        """
        text = urlencode({name: value for name, value in (query or {}).items() if value is not None})
        url = f"{self._target.api}{where}{'?' if text else ''}{text}"
        sent = {"Authorization": f"Bearer {self._target.key}", **(headers or {})}
        again = "try again" if method == "GET" else _NEXT[504]
        try:
            # The key is for this address alone, so nobody is followed elsewhere.
            async with self._session.request(
                method, url, data=data, headers=sent, timeout=timeout, allow_redirects=False
            ) as answer:
                if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
                    raise _refusal(answer, await answer.read())
                yield answer
        except aiohttp.ClientConnectorCertificateError as error:
            text = f"{self._target.api} has a certificate that is not trusted here: {error.certificate_error}"
            raise CommandError(text, code=AWAY) from error
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            text = (
                f"cannot reach {self._target.api} ({_reason(error)}): is it running, and is that its address?"
            )
            raise CommandError(text, code=AWAY) from error
        except TimeoutError as error:
            raise CommandError(f"{self._target.api} did not answer in time: {again}", code=AWAY) from error
        except aiohttp.ClientError as error:
            raise CommandError(f"{self._target.api} broke off its answer: {again}", code=AWAY) from error


@asynccontextmanager
async def connected(target: Target) -> AsyncIterator[Rest]:
    """Open the sockets for one command."""
    async with aiohttp.ClientSession() as session:
        yield Rest(target, session)


def _reason(error: aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError) -> str:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "no connection in time"
    number = error.os_error.errno or 0
    return os.strerror(number) if number > 0 else str(error.os_error.strerror or error.os_error)


def _refusal(answer: aiohttp.ClientResponse, raw: bytes) -> CommandError:
    status = answer.status
    if status < HTTPStatus.BAD_REQUEST:
        where = answer.headers.get("Location", "nowhere")[:_MAX_SHOWN]
        return CommandError(
            f"{answer.url.origin()} sends us to {where!a} ({status}): log in at the right address", code=AWAY
        )
    lines = [f"{_message(raw)} ({status})"]
    if status in _NEXT:
        lines.append(_NEXT[status])
    code = AWAY if status >= HTTPStatus.INTERNAL_SERVER_ERROR else REFUSED
    return CommandError("\n  ".join(lines), code=code)


def _message(raw: bytes) -> str:
    try:
        body = msgspec.json.decode(raw)
        details = [f"{each['path']}: {each['problem']}" for each in body.get("details", [])]
        return "\n  ".join([str(body["message"]), *(details if len(details) > 1 else [])])
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return _strange(raw)


def _strange(raw: bytes) -> str:
    return f"no answer of this platform: {raw[:_MAX_SHOWN].decode(errors='replace')!a}"
