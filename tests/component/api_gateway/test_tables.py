"""Tables of endpoints at the edge: what begins, what is told, and what ends an import."""

import asyncio
import io
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from libs.contracts.api_keys import Scope
from libs.contracts.endpoint_tables import (
    EXPORT_ENDPOINTS,
    IMPORT_ENDPOINTS,
    ExportedRow,
    ExportEndpoints,
    ExportEndpointsReply,
    ImportEndpoints,
    ImportEndpointsReply,
    RowOutcome,
)
from libs.contracts.errors import NotFoundError, UnavailableError
from tests.component.api_gateway.conftest import Answer, Gateway
from tests.component.api_gateway.owners import Anything
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

IMPORT = "/epr/api/v1/endpoints/import?applicationVersionName=olives-v1"
EXPORT = "/epr/api/v1/endpoints/export"


class Register:
    """Creates whatever it is asked to, and remembers how much that was at once."""

    def __init__(self, gateway: Gateway) -> None:
        self.ids: list[str] = []
        self.at_once = self.most_at_once = 0
        gateway.owners.on(IMPORT_ENDPOINTS, self.on_import)

    async def on_import(self, request: ImportEndpoints) -> ImportEndpointsReply:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0.001)
        self.at_once -= 1
        return ImportEndpointsReply(
            rows=tuple(map(self._outcome, [row.endpoint_id or "new" for row in request.payload]))
        )

    def _outcome(self, endpoint_id: str) -> RowOutcome:
        if endpoint_id in self.ids:
            return RowOutcome(409, reason=f"endpoint id {endpoint_id} is taken")
        self.ids.append(endpoint_id)
        return RowOutcome(201, endpoint_id=endpoint_id, token=f"token-of-{endpoint_id}")


async def imported(gateway: Gateway, table: Anything, **more: Anything) -> Answer:
    headers = {"Content-Type": "text/csv", **more.pop("headers", {})}
    async with asyncio.timeout(20):
        return await gateway.call("POST", IMPORT, data=table, headers=headers, **more)


def lines_of(answer: Answer) -> list[Anything]:
    assert answer.status == 200, answer.raw
    return [json.loads(line) for line in answer.raw.splitlines()]


async def test_each_row_is_told_by_its_line_in_order(shared_gateway: Gateway) -> None:
    Register(shared_gateway)
    table = b'endpointId,note\r\na,"two\r\nlines"\r\n\r\nb,\xff\r\na,again\r\nc\r\n'

    answer = await imported(shared_gateway, table)

    assert answer.headers["Content-Type"] == "application/x-ndjson; charset=utf-8"
    assert lines_of(answer) == [
        {"line": 2, "status": 201, "endpointId": "a", "token": "token-of-a"},
        {"line": 5, "status": 400, "reason": "note: the cell is not UTF-8; save the table as CSV UTF-8"},
        {"line": 6, "status": 409, "endpointId": "a", "reason": "endpoint id a is taken"},
        {"line": 7, "status": 400, "reason": "the row has 1 cells, the header has 2"},
    ]


async def test_the_answer_is_csv_where_that_is_asked_for(shared_gateway: Gateway) -> None:
    Register(shared_gateway)

    answer = await imported(shared_gateway, b"endpointId\n-a\n", headers={"Accept": "text/csv"})

    assert answer.raw == b"line,status,endpointId,token,reason\r\n2,201,'-a,token-of--a,\r\n"


async def test_many_rows_go_in_bounded_messages_a_few_at_once(shared_gateway: Gateway) -> None:
    register = Register(shared_gateway)
    table = b"endpointId\n" + b"".join(b"e%d\n" % number for number in range(1000))

    lines = lines_of(await imported(shared_gateway, table))

    assert [each["line"] for each in lines] == list(range(2, 1002))
    asked = [len(each.payload) for each in shared_gateway.owners.asked]
    assert (max(asked), sum(asked)) == (50, 1000)
    assert 1 < register.most_at_once <= 4


async def test_what_was_read_is_told_before_the_rest_is_sent(shared_gateway: Gateway) -> None:
    Register(shared_gateway)
    told = asyncio.Event()

    async def table() -> AsyncIterator[bytes]:
        yield b"endpointId\nfirst\n"
        async with asyncio.timeout(10):
            await told.wait()
        yield b"second\n"

    url = f"http://127.0.0.1:{shared_gateway.port}{IMPORT}"
    headers = {"Content-Type": "text/csv", "Authorization": "Bearer grove_admin-key-of-the-tests"}
    async with aiohttp.ClientSession() as session, session.post(url, data=table(), headers=headers) as answer:
        async with asyncio.timeout(10):
            first = json.loads(await answer.content.readline())
            told.set()
            rest = await answer.content.read()

    assert (first["line"], first["endpointId"]) == (2, "first")
    assert json.loads(rest)["endpointId"] == "second"


@pytest.mark.parametrize(
    ("table", "last"),
    [
        pytest.param(b'endpointId,n\na,1\nb,"x"y\nc,3\n', (3, 400), id="broken quote"),
        pytest.param(b'endpointId,n\na,1\nb,"x\nc,3\n', (3, 400), id="open quote"),
        pytest.param(b'endpointId,n\na,1\nb,"' + b"x" * 10_000_000 + b'"\nc,3\n', (3, 413), id="10 MB cell"),
    ],
)
async def test_what_cannot_be_read_ends_the_import_and_what_stood_before_stays(
    shared_gateway: Gateway, table: bytes, last: tuple[int, int]
) -> None:
    register = Register(shared_gateway)

    lines = lines_of(await imported(shared_gateway, io.BytesIO(table)))

    assert register.ids == ["a"]
    assert [each["status"] for each in lines] == [201, last[1]]
    assert (lines[-1]["line"], lines[-1]["ended"]) == (last[0], True)
    assert lines[-1]["reason"].endswith("the import ends here")


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        pytest.param(b"", "the body is empty, it must be CSV with a header", id="empty"),
        pytest.param(b"endpointId,a,a\n", "the column a is there twice", id="twice"),
        pytest.param(b"endpoint_id\n", "'endpoint_id': did you mean endpointId?", id="typo"),
        pytest.param(b"endpointId;note\n", "columns are separated by commas", id="semicolons"),
        pytest.param(b"a:date\n", "'date' is no kind of value, only text, number, boolean, json", id="kind"),
        pytest.param("endpointId,Höhe\n".encode(), "must be 1 to 256 characters of [a-zA-Z0-9_]", id="key"),
        pytest.param(b"a\x00b\n", "the cell holds a NUL character", id="NUL"),
        pytest.param(b'"a\n' + b"x\n" * 100_000, "more than 131072 bytes", id="endless"),
    ],
)
async def test_a_header_that_nobody_understands_is_a_400(
    shared_gateway: Gateway, table: bytes, problem: str
) -> None:
    answer = await imported(shared_gateway, table)

    assert answer.status == 400
    assert any(problem in each for each in answer.problems.values()), answer.body
    assert not shared_gateway.owners.asked


async def test_what_is_wrong_with_all_of_it_is_a_status(shared_gateway: Gateway) -> None:
    shared_gateway.owners.fail(IMPORT_ENDPOINTS, NotFoundError("there is no such version"))
    other = await imported(shared_gateway, b"[]", headers={"Content-Type": "application/json"})

    assert (await imported(shared_gateway, b"endpointId\na\n")).status == 404
    assert other.status == 415


async def test_an_owner_that_stays_away_ends_the_import(shared_gateway: Gateway) -> None:
    async def on_import(request: ImportEndpoints) -> ImportEndpointsReply:
        if request.payload:
            raise UnavailableError("the store is away")
        return ImportEndpointsReply(rows=())

    shared_gateway.owners.on(IMPORT_ENDPOINTS, on_import)
    table = b"endpointId\n" + b"".join(b"e%d\n" % number for number in range(5000))

    lines = lines_of(await imported(shared_gateway, table))

    assert {each["status"] for each in lines} == {503}
    assert lines[0] == {"line": 2, "status": 503, "endpointId": "e0", "reason": "the store is away"}
    assert lines[-1]["ended"]
    assert len(lines) < 1000


async def test_a_key_that_is_revoked_imports_no_further(shared_gateway: Gateway) -> None:
    register = Register(shared_gateway)
    keys = shared_gateway.owners.keys
    keys.add("short-lived", Scope.WRITE)

    async def first_is_created() -> bool:
        return bool(register.ids)

    async def is_forgotten() -> bool:
        return (await shared_gateway.call("GET", "/auth/api/v1/me", key="short-lived")).status == 401

    async def table() -> AsyncIterator[bytes]:
        yield b"endpointId\nfirst\n"
        await eventually(first_is_created, what="the first row is created")
        await keys.revoke("short-lived")
        await eventually(is_forgotten, what="the gateway has forgotten the key")
        yield b"second\n"

    lines = lines_of(await imported(shared_gateway, table(), key="short-lived"))

    assert register.ids == ["first"]
    assert (lines[-1]["line"], lines[-1]["status"], lines[-1]["ended"]) == (3, 401, True)


async def test_an_export_is_written_page_by_page(shared_gateway: Gateway) -> None:
    pages = {
        "": ([ExportedRow("-a", "o-v1", "d", {"x": "=1+1", "token": -1})], "k"),
        "k": ([], "l"),
        "l": ([ExportedRow("b", "o-v1", "d", {"x": {"y": [1, None]}})], ""),
    }

    async def on_export(request: ExportEndpoints) -> ExportEndpointsReply:
        rows, following = pages[request.after]
        return ExportEndpointsReply(rows=tuple(rows), next=following)

    shared_gateway.owners.on(EXPORT_ENDPOINTS, on_export)

    answer = await shared_gateway.call("GET", f"{EXPORT}?columns=x,token&applicationName=o")

    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.raw.decode().split("\r\n") == [
        "endpointId,appVersion,createdDate,x,metadata.token",
        "'-a,o-v1,d,'=1+1,-1",
        'b,o-v1,d,"{""y"":[1,null]}",',
        "",
    ]


async def test_an_export_that_fails_half_way_breaks_off(shared_gateway: Gateway) -> None:
    async def on_export(request: ExportEndpoints) -> ExportEndpointsReply:
        if request.after:
            raise UnavailableError
        return ExportEndpointsReply(rows=(ExportedRow("a", "o-v1", "d", {}),), next="k")

    shared_gateway.owners.on(EXPORT_ENDPOINTS, on_export)

    with pytest.raises(aiohttp.ClientError):
        await shared_gateway.call("GET", EXPORT)


async def test_a_table_may_be_larger_than_what_all_requests_may_hold(shared_gateway: Gateway) -> None:
    register = Register(shared_gateway)
    cell = b"x" * 120_000

    async def table() -> AsyncIterator[bytes]:
        yield b"endpointId,text\n"
        for number in range(600):
            yield b"e%d,%s\n" % (number, cell)

    lines = lines_of(await imported(shared_gateway, table()))

    assert {each["status"] for each in lines} == {201}
    assert len(register.ids) == 600
