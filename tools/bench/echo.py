"""Answers every request on a subject with its own bytes: ``python -m tools.bench.echo URL SUBJECT``."""

import asyncio
import sys

import nats
import uvloop
from nats.aio.msg import Msg


async def main(url: str, subject: str) -> None:
    """Serve until killed."""

    async def quiet(_error: Exception) -> None: ...

    client = await nats.connect(url, max_reconnect_attempts=-1, reconnect_time_wait=1, error_cb=quiet)

    async def answer(message: Msg) -> None:
        await message.respond(message.data)

    await client.subscribe(subject, cb=answer)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
