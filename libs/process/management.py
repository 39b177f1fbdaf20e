"""The port for whoever runs the process: /health, /ready and /metrics.

It opens before the service is built and closes last, so that a process waiting for its store and a
process finishing its work can both be asked what they are doing.
"""

import prometheus_client
from aiohttp import web
from prometheus_client import exposition

from libs.process.health import Health


class Management:
    """Answers for one process.

    Args:
        health: Asked anew for each /ready.
        service: Part of the answer to /health, as is `replica`.
        replica: Tells a caller which process really answered.
    """

    def __init__(self, health: Health, *, service: str, replica: str) -> None:
        self._health = health
        self._alive = {"status": "ok", "service": service, "replica": replica}

    def app(self) -> web.Application:
        """Build the application for :class:`~libs.process.serving.HttpServer`."""
        app = web.Application()
        app.router.add_get("/health", self.on_health)
        app.router.add_get("/ready", self.on_ready)
        app.router.add_get("/metrics", on_metrics)
        return app

    async def on_health(self, _request: web.Request) -> web.Response:
        """Answer at all: that is the check, a blocked event loop could not."""
        return web.json_response(self._alive)

    async def on_ready(self, _request: web.Request) -> web.Response:
        """Answer 200, or 503 with the checks that fail."""
        readiness = await self._health.readiness()
        body = {"status": readiness.status, "checks": readiness.checks}
        return web.json_response(body, status=200 if readiness.ready else 503)


async def on_metrics(request: web.Request) -> web.Response:
    """Answer in the text form that the scraper asked for."""
    encode, content_type = exposition.choose_encoder(request.headers.get("Accept", ""))
    return web.Response(body=encode(prometheus_client.REGISTRY), headers={"Content-Type": content_type})
