"""The metadata round trip over HTTP: curl's bytes in, the answer out, through every part of the suite."""

from tools.bench.http_load import HttpConnection, post
from tools.bench.suite import Suite, Twin
from tools.bench.timing import Latency, measure

_OK = 200


async def metadata_round_trips(
    suite: Suite, twins: list[Twin], *, calls: int, concurrency: int
) -> tuple[Latency, Latency]:
    """Time ``epmx get`` and an ``epmx update/keys`` that changes something, one endpoint per connection."""
    connections = [await HttpConnection.open(suite.http) for _ in range(concurrency)]
    gets = [_request(suite, twin, "get", b"{}") for twin in twins]
    turn = iter(range(1_000_000_000))

    async def get(worker: int) -> None:
        _expect_ok(await connections[worker].exchange(gets[worker]))

    async def update(worker: int) -> None:
        body = b'{"model":"BFG 9000","turn":%d}' % next(turn)
        request = _request(suite, twins[worker], "update/keys", body)
        _expect_ok(await connections[worker].exchange(request))

    read = await measure(get, calls=calls, concurrency=concurrency)
    written = await measure(update, calls=calls, concurrency=concurrency)
    for connection in connections:
        await connection.close()
    return read, written


def _request(suite: Suite, twin: Twin, resource: str, body: bytes) -> bytes:
    return post(suite.http, f"/kp1/{twin.app_version}/epmx/{twin.token}/{resource}", body)


def _expect_ok(answer: tuple[int, bytes]) -> None:
    status, body = answer
    if status != _OK:
        raise SystemExit(f"the suite answered {status}: {body[:200].decode(errors='replace')}")
