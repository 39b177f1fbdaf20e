"""What is open to everybody: the landing page, /docs, /openapi.json and their files."""

import re

import pytest

from services.api_gateway.routes import ROUTES
from tests.component.api_gateway.conftest import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGES = [
    ("/", "text/html; charset=utf-8"),
    ("/docs", "text/html; charset=utf-8"),
    ("/openapi.json", "application/json"),
    ("/health", "application/json"),
    ("/console/style.css", "text/css; charset=utf-8"),
    ("/console/docs.js", "text/javascript; charset=utf-8"),
    ("/console/olive.svg", "image/svg+xml; charset=utf-8"),
]


@pytest.mark.parametrize(("path", "content_type"), PAGES, ids=[path for path, _ in PAGES])
async def test_a_page_is_served_without_a_key(shared_gateway: Gateway, path: str, content_type: str) -> None:
    answer = await shared_gateway.call("GET", path, key=None)
    head = await shared_gateway.call("HEAD", path, key=None)
    again = await shared_gateway.call(
        "GET", path, key=None, headers={"If-None-Match": answer.headers["ETag"]}
    )

    assert (answer.status, answer.headers["Content-Type"]) == (200, content_type)
    assert (head.status, head.raw) == (200, b"")
    assert (again.status, again.raw) == (304, b"")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]


async def test_everything_a_page_refers_to_is_there(shared_gateway: Gateway) -> None:
    for page in ("/", "/docs"):
        text = (await shared_gateway.call("GET", page, key=None)).raw.decode()
        targets = set(re.findall(r'(?:href|src)="(/[^"]*)"', text))

        assert len(targets) >= 3
        for target in targets:
            assert (await shared_gateway.call("GET", target, key=None)).status == 200, target


async def test_the_openapi_document_has_every_route(shared_gateway: Gateway) -> None:
    document = (await shared_gateway.call("GET", "/openapi.json", key=None)).body

    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert described == {(route.method, route.path) for route in ROUTES}


@pytest.mark.parametrize("path", ["/console/", "/console/../app.py", "/console/%2e%2e/app.py", "/docs/"])
async def test_nothing_else_is_served(shared_gateway: Gateway, path: str) -> None:
    assert (await shared_gateway.call("GET", path, key=None)).status == 404
