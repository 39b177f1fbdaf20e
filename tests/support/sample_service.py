"""A tiny service to see libs.process at work in a real process: ``python -m tests.support.sample_service``.

Its HTTP port is a remote control; what happens to the process is what the tests look at.
"""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from libs.process import Process, describe, run, setting
from libs.process.variables import KNOWN


@dataclass(frozen=True, kw_only=True)
class SampleSettings:
    build: str = setting("serve", choices=("serve", "fail", "wait"))
    release_file: str = setting("", doc="While a request to /held waits for this file it is in flight.")
    limit: int = setting(1, minimum=1, maximum=9)


class Sample:
    def __init__(self, settings: SampleSettings) -> None:
        self._release = Path(settings.release_file)
        self._task_may_end = asyncio.Event()
        self._ping_fails = False

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/quick", self.on_quick)
        app.router.add_get("/held", self.on_held)
        app.router.add_post("/end-task", self.on_end_task)
        app.router.add_post("/break-ping", self.on_break_ping)
        app.router.add_post("/block", self.on_block)
        return app

    async def on_quick(self, _request: web.Request) -> web.Response:
        await asyncio.sleep(0.005)
        return web.Response(text="quick")

    async def on_held(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"begun\n")
        while not self._release.exists():  # noqa: ASYNC110 - the file is the event, a tiny one
            await asyncio.sleep(0.01)
        await response.write(b"done\n")
        return response

    async def on_end_task(self, _request: web.Request) -> web.Response:
        self._task_may_end.set()
        return web.Response()

    async def on_break_ping(self, _request: web.Request) -> web.Response:
        self._ping_fails = True
        return web.Response()

    async def on_block(self, _request: web.Request) -> web.Response:
        time.sleep(60)  # noqa: ASYNC251 - the offence is the point
        return web.Response()

    async def task(self) -> None:
        await self._task_may_end.wait()
        message = "nothing more to collect from nats://user:hidden@bus"
        raise LookupError(message)

    async def ping(self) -> None:
        if self._ping_fails:
            message = "the other side is gone"
            raise ConnectionError(message)

    async def stop(self) -> None:
        await asyncio.sleep(0)


async def build(process: Process) -> None:
    settings = process.load(SampleSettings)
    sample = Sample(settings)
    process.on_stop("sample", sample.stop)
    process.health.add("other side", sample.ping)
    process.supervise("collector", sample.task())
    if settings.build == "fail":
        message = "mongodb://user:hidden@store\nis not a place"
        raise ValueError(message)
    if settings.build == "wait":
        await asyncio.Event().wait()
    await process.serve_http("http", sample.app(), port=0)


if __name__ == "__main__":
    run("sample", build, known=(*KNOWN, *(each.name for each in describe(SampleSettings, "sample"))))
