"""Ask a process over HTTP whether it is ready."""

import json
from http import HTTPStatus

import aiohttp

_TIMEOUT = aiohttp.ClientTimeout(total=3.0)


async def ask(session: aiohttp.ClientSession, url: str) -> str | None:
    """GET a readiness address; return what keeps the process from being ready, None when it is."""
    try:
        async with session.get(url, timeout=_TIMEOUT) as response:
            body = await response.read()
            if response.status == HTTPStatus.OK:
                return None
            return failing_checks(body) or f"HTTP {response.status}"
    except TimeoutError:
        return "no answer"
    except (aiohttp.ClientError, OSError) as error:
        return f"not reachable ({type(error).__name__})"


def failing_checks(body: bytes) -> str:
    """Name what a /ready body says is failing; empty where it says nothing we understand."""
    try:
        answer = json.loads(body)
        failing = {name: state for name, state in answer["checks"].items() if state != "ok"}
        return ", ".join(f"{name}: {state}" for name, state in failing.items()) or str(answer["status"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
