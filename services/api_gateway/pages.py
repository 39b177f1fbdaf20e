"""What a browser may read without a key: the landing page, the documentation, and their files.

Everything is made or read once at the start, served from memory, and comes from our own origin
only: the Content-Security-Policy forbids the rest.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from importlib.resources import files
from typing import Any, Final

import msgspec
from aiohttp import hdrs, web

from services.api_gateway.documentation import documentation
from services.api_gateway.routing import MethodNotAllowedError

_CONSOLE = files("services.api_gateway") / "console"
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HTML, _CSS = "text/html", "text/css"
_JAVASCRIPT, _SVG, _JSON = "text/javascript", "image/svg+xml", "application/json"


@dataclass(frozen=True, slots=True)
class Page:
    """Something to show.

    Attributes:
        body: Its bytes.
        content_type: Their type; texts are UTF-8.
        e_tag: Changes with the bytes.
    """

    body: bytes
    content_type: str
    e_tag: str


def pages(document: Mapping[str, Any]) -> dict[str, Page]:
    """Every page by its path, for one OpenAPI document."""
    return {
        "/": _page(_file("landing.html"), _HTML),
        "/health": _page(b'{"status":"ok"}', _JSON),
        "/openapi.json": _page(msgspec.json.format(msgspec.json.encode(document), indent=1), _JSON),
        "/docs": _page(documentation(document).encode(), _HTML),
        "/console/style.css": _page(_file("style.css"), _CSS),
        "/console/docs.js": _page(_file("docs.js"), _JAVASCRIPT),
        "/console/olive.svg": _page(_file("olive.svg"), _SVG),
    }


def show(page: Page, *, method: str, known: Iterable[str]) -> web.Response:
    """Answer a page, or 304 to a browser that has it.

    Args:
        page: What is asked for.
        method: Only GET and HEAD are possible.
        known: Entity tags of If-None-Match.

    Raises:
        MethodNotAllowedError: Any other method.
    """
    if method not in {"GET", "HEAD"}:
        raise MethodNotAllowedError(method, ("GET", "HEAD"))
    headers: dict[str, str] = {hdrs.ETAG: page.e_tag, hdrs.CACHE_CONTROL: "no-cache"}
    if page.e_tag in known:
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    headers |= {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"}
    charset = None if page.content_type == _JSON else "utf-8"
    return web.Response(body=page.body, content_type=page.content_type, charset=charset, headers=headers)


def _file(name: str) -> bytes:
    return (_CONSOLE / name).read_bytes()


def _page(body: bytes, content_type: str) -> Page:
    return Page(body, content_type, f'"{hashlib.sha256(body).hexdigest()[:16]}"')
