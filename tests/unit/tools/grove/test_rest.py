"""What the command line says when a call does not succeed, whatever it is that answers."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from libs.contracts.endpoints import EndpointPage
from tools.grove.addresses import Target
from tools.grove.problem import AWAY, REFUSED, CommandError
from tools.grove.rest import connected, path

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serving = Callable[[Answer], Awaitable[Target]]


@pytest.fixture
async def serving() -> AsyncIterator[Serving]:
    """Serves one answer for everything on a port of its own."""
    servers: list[TestServer] = []

    async def start(answer: Answer) -> Target:
        app = web.Application()
        app.router.add_route("*", "/{any:.*}", answer)
        servers.append(TestServer(app))
        await servers[-1].start_server()
        return Target(str(servers[-1].make_url("")).rstrip("/"), "secret-key")

    yield start
    for server in servers:
        await server.close()


async def refused(target: Target, method: str = "GET") -> CommandError:
    with pytest.raises(CommandError) as error:
        async with connected(target) as rest:
            await rest.call(method, "/anything", None if method == "GET" else {})
    assert "secret-key" not in str(error.value)
    return error.value


async def test_a_page_of_something_else_is_no_answer(serving: Serving) -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html>")

    error = await refused(await serving(page))

    assert (error.code, "no answer of this platform: '<html>'" in str(error)) == (AWAY, True)


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        pytest.param({"content": []}, "missing required field `totalElements`", id="a member is missing"),
        pytest.param([], "Expected `object`, got `array`", id="a list"),
        pytest.param(None, "Expected `object`, got `null`", id="nothing"),
    ],
)
async def test_json_of_another_shape_is_no_answer(serving: Serving, told: object, problem: str) -> None:
    async def other(_: web.Request) -> web.Response:
        return web.json_response(told)

    target = await serving(other)
    with pytest.raises(CommandError) as error:
        async with connected(target) as rest:
            await rest.read(EndpointPage, "GET", "/anything")

    assert error.value.code == AWAY
    assert f"{target.api} answers, but is no Olivegrove" in str(error.value)
    assert problem in str(error.value)


async def test_nobody_is_followed_elsewhere(serving: Serving) -> None:
    asked: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=302, headers={"Location": "/other"})

    error = await refused(await serving(elsewhere), "DELETE")

    assert asked == ["/anything"]
    assert "'/other' (302): log in at the right address" in str(error)


@pytest.mark.parametrize(
    ("method", "advice"), [("GET", "try again"), ("POST", "whether it took effect is not known")]
)
async def test_what_breaks_off_may_have_taken_effect(serving: Serving, method: str, advice: str) -> None:
    async def broken_off(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    error = await refused(await serving(broken_off), method)

    assert (error.code, f"broke off its answer: {advice}" in str(error)) == (AWAY, True)


async def test_where_nobody_listens_the_reason_is_told(unused_tcp_port: int) -> None:
    error = await refused(Target(f"http://127.0.0.1:{unused_tcp_port}", "secret-key"))

    assert (error.code, "(Connection refused): is it running" in str(error)) == (AWAY, True)


async def test_what_goes_on_is_not_called_undone(serving: Serving) -> None:
    async def going_on(_: web.Request) -> web.Response:
        message = "application olives is gone, its endpoints are still being removed"
        return web.json_response({"message": message}, status=503)

    error = await refused(await serving(going_on), "DELETE")

    assert "still being removed (503)" in str(error)
    assert "nothing was done" not in str(error)


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_no_other_path_is_called_than_the_one_that_is_meant(name: str) -> None:
    with pytest.raises(CommandError, match="is no name and no id"):
        path("/cm/api/v1/endpoints", name, "tokens")


async def test_all_that_is_wrong_is_told(serving: Serving) -> None:
    async def problems(_: web.Request) -> web.Response:
        details = [{"path": "$.a", "problem": "is missing"}, {"path": "$.b", "problem": "unknown"}]
        return web.json_response({"message": "2 problems", "details": details}, status=400)

    error = await refused(await serving(problems), "POST")

    assert (error.code, str(error)) == (REFUSED, "2 problems\n  $.a: is missing\n  $.b: unknown (400)")
