"""Many writers, one twin: nothing is lost and the last write wins, with two endpoint-register replicas."""

import asyncio
from collections import Counter

import pytest

from tests.support.rest import Operator
from tests.support.stack import Stack
from tools.bench.http_load import HttpConnection, post


@pytest.mark.parametrize(
    "crowd", [300, pytest.param(1000, marks=[pytest.mark.soak, pytest.mark.timeout(180)])]
)
async def test_concurrent_updates_of_different_keys_lose_none(rest: Operator, crowd: int) -> None:
    twin = await rest.new_twin()

    answers = await asyncio.gather(*(twin.update(**{f"key_{n}": n}) for n in range(crowd)))

    assert Counter(answer.status for answer in answers) == {200: crowd}
    assert await rest.metadata(twin) == {f"key_{n}": n for n in range(crowd)}


async def test_updates_sent_back_to_back_over_one_connection_always_end_with_the_second(
    rest: Operator, suite: Stack
) -> None:
    version = await rest.new_version()
    twins = [await rest.new_twin(version) for _ in range(20)]
    connection = await HttpConnection.open(suite.http)

    for turn in range(5):
        for twin in twins:
            path = f"/kp1/{version}/epmx/{twin.token}/update/keys"
            requests = [
                post(suite.http, path, b'{"value":"%d %s"}' % (turn, which))
                for which in (b"first", b"second")
            ]
            # Both are in the socket before the first is answered.
            first = await connection.exchange(b"".join(requests))
            second = await connection.exchange(b"")
            assert (first[0], second[0]) == (200, 200)
    await connection.close()

    ended = [await rest.metadata(twin) for twin in twins]
    assert ended == [{"value": "4 second"}] * 20


async def test_one_of_two_conditional_writers_gets_412(rest: Operator) -> None:
    twin = await rest.new_twin(metadata={"n": 0})
    path = f"/epr/api/v1/endpoints/{twin.endpoint_id}/metadata"

    for turn in range(10):
        tag = (await rest.call("GET", path)).headers["ETag"]
        answers = await asyncio.gather(
            *(rest.call("PUT", path, {"writer": writer, "turn": turn}, If_Match=tag) for writer in (1, 2))
        )
        statuses = sorted(answer.status for answer in answers)
        assert statuses[0] in {200, 204}
        assert statuses[1] == 412
