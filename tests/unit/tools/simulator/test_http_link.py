"""An HTTP link against a server that answers as it is told."""

import asyncio
import time
from collections.abc import Sequence

import aiohttp
from aiohttp import web

from tests.support.waiting import eventually
from tools.simulator.http_link import HttpLink
from tools.simulator.ledger import Ledger
from tools.simulator.links import Message


async def posted(statuses: Sequence[int], *, samples: int) -> tuple[list[bytes], Ledger]:
    """Send samples to a server that answers with these, in turn, and then with 200."""
    ledger = Ledger(1)
    heard: list[bytes] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        heard.append(await request.read())
        status = statuses[len(heard) - 1] if len(heard) <= len(statuses) else 200
        return web.Response(status=status, body=b'{"statusCode": %d, "reasonPhrase": "so"}' % status)

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
        link = HttpLink(f"http://{host}:{port}", ledger=ledger, session=session)
        running = tasks.create_task(link.run(), name="link")
        for _ in range(samples):
            await link.room()
            n = ledger.next_number(0)
            link.send(Message(0, n, "kp1/olives-v1/dcx/token/json", b"%d" % n, time.monotonic()))

        async def settled() -> bool:
            return not ledger.waiting

        await eventually(settled, what="every sample is acknowledged or refused")
        running.cancel()
    await runner.cleanup()
    return heard, ledger


async def test_samples_of_a_tree_are_posted_one_after_another() -> None:
    heard, ledger = await posted([], samples=3)

    assert heard == [b"1", b"2", b"3"]
    assert ledger.accounts[0].promised == {1, 2, 3}
    assert (ledger.sent_again, ledger.reconnects, ledger.connected) == (0, 0, 1)


async def test_a_sample_is_sent_again_until_it_is_acknowledged() -> None:
    heard, ledger = await posted([503, 504], samples=2)

    assert heard == [b"1", b"1", b"1", b"2"]
    assert ledger.accounts[0].promised == {1, 2}
    assert ledger.sent_again == 2


async def test_what_is_refused_for_good_is_not_sent_again() -> None:
    heard, ledger = await posted([403], samples=2)

    assert heard == [b"1", b"2"]
    assert ledger.accounts[0].promised == {2}
    assert (ledger.refused, ledger.trouble) == (1, "403 so")
