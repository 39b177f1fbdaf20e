"""One run from beginning to end: plant, send, settle, verify, tell."""

import asyncio
import math
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from libs.contracts.payload import encode_json
from tools.simulator import report
from tools.simulator.http_link import HttpLink
from tools.simulator.ledger import Ledger
from tools.simulator.links import Link, Message
from tools.simulator.mqtt_link import MqttLink
from tools.simulator.options import Options
from tools.simulator.problem import SimulatorError, words
from tools.simulator.progress import Progress
from tools.simulator.rest import AwayError, Device, Rest, operator
from tools.simulator.stack import Addresses
from tools.simulator.verifying import Verifier
from tools.simulator.weather import Tree

_PLANTERS: Final = 8
_ROW: Final = 10
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_REACH_S: Final = 10.0
_POLL_S: Final = 0.02
_DAY_S: Final = 86_400.0
_HTTP_TIMEOUT: Final = aiohttp.ClientTimeout(total=40)


@dataclass(frozen=True, slots=True)
class Planted:
    """A tree and its device."""

    tree: Tree
    device: Device
    link: Link


class Simulation:
    """See :meth:`run`."""

    def __init__(self, options: Options, addresses: Addresses) -> None:
        self._options = options
        self._addresses = addresses
        self._ledger = Ledger(options.trees)
        self._stop = asyncio.Event()
        self._sending = False

    async def run(self) -> int:
        """Return the exit code, see ``--help``.

        Ctrl-C ends the sending; what was sent is verified all the same. A second one ends everything.

        Raises:
            SimulatorError: It could not be started.
            CancelledError: Ctrl-C, twice, or before anything was sent.
        """
        self._listen_to_signals()
        async with operator(self._addresses) as rest:
            await _reach(self._addresses.devices)
            since = datetime.now(UTC) - timedelta(minutes=1)
            try:
                devices = await self._plant(rest)
            except AwayError as error:
                raise SimulatorError(f"{error}; is the stack running (`make run`)?") from error
            await self._send(devices)
            _say("verifying over REST what is stored")
            verifier = Verifier(rest, devices, since=since, deadline_s=self._options.settle_s)
            return self._conclude(devices, await verifier.found(self._ledger))

    async def _plant(self, rest: Rest) -> list[Device]:
        version = await rest.version(self._options.application)
        trees = [Tree.grown(number, seed=self._options.seed) for number in range(1, self._options.trees + 1)]
        devices: dict[int, Device] = {}

        async def plant(queue: Iterable[Tree]) -> None:
            for tree in queue:
                devices[tree.number] = await rest.device(version, _metadata(tree))

        queue = iter(trees)
        try:
            async with asyncio.TaskGroup() as tasks:
                for number in range(_PLANTERS):
                    tasks.create_task(plant(queue), name=f"planter {number}")
        except* (SimulatorError, AwayError) as errors:
            raise errors.exceptions[0] from None
        _say(f"planted {len(trees)} olive trees in application {devices[1].application}")
        return [devices[tree.number] for tree in trees]

    async def _send(self, devices: Sequence[Device]) -> None:
        async with AsyncExitStack() as stack:
            planted = await self._connected(devices, stack)
            links = list(dict.fromkeys(each.link for each in planted))
            progress = Progress(self._ledger, connections=len(links), out=sys.stderr)
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(link.run(), name="link") for link in links]
                running.append(tasks.create_task(progress.run(), name="progress"))
                self._sending = True
                _say(f"sending over {self._options.protocol.upper()}; Ctrl-C ends it and verifies")
                sending = [
                    tasks.create_task(self._feed(index, each), name=f"tree {each.tree.number}")
                    for index, each in enumerate(planted)
                ]
                await self._until_stopped()
                for task in sending:
                    task.cancel()
                await self._settled()
                for task in running:
                    task.cancel()

    async def _connected(self, devices: Sequence[Device], stack: AsyncExitStack) -> list[Planted]:
        topics = {device.topic: index for index, device in enumerate(devices)}
        links: list[Link]
        if self._options.protocol == "http":
            connector = aiohttp.TCPConnector(limit=0)
            session = aiohttp.ClientSession(connector=connector, timeout=_HTTP_TIMEOUT)
            await stack.enter_async_context(session)
            url = self._addresses.devices
            links = [HttpLink(url, ledger=self._ledger, session=session) for _ in devices]
        elif self._options.gateway:
            links = [self._mqtt("gateway", topics)] * len(devices)
        else:
            links = [self._mqtt(device.endpoint_id, topics) for device in devices]
        trees = (Tree.grown(number, seed=self._options.seed) for number in range(1, len(devices) + 1))
        return [Planted(*parts) for parts in zip(trees, devices, links, strict=True)]

    def _mqtt(self, name: str, topics: dict[str, int]) -> MqttLink:
        client_id = f"simulator-{name}-{secrets.token_hex(4)}"
        return MqttLink(self._addresses.devices, client_id=client_id, ledger=self._ledger, trees=topics)

    async def _feed(self, index: int, planted: Planted) -> None:
        """Send a sample each period, at the tree's own moment; what cannot leave in time is left out."""
        period_s = 1.0 / self._options.rate_hz
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        began_s = time.monotonic()
        started_days = (datetime.now(UTC) - midnight).total_seconds() / _DAY_S
        at_s = began_s + period_s * math.fmod(planted.tree.number * 0.618, 1.0)
        while True:
            await asyncio.sleep(max(at_s - time.monotonic(), 0.0))
            await planted.link.room()
            now_s = time.monotonic()
            n = self._ledger.next_number(index)
            values = planted.tree.values(n, days=started_days + (now_s - began_s) / self._options.day_s)
            planted.link.send(Message(index, n, planted.device.topic, encode_json(values), now_s))
            at_s = max(at_s + period_s, now_s)

    async def _until_stopped(self) -> None:
        try:
            async with asyncio.timeout(self._options.duration_s):
                await self._stop.wait()
        except TimeoutError:
            self._stop.set()

    async def _settled(self) -> None:
        deadline_s = time.monotonic() + self._options.settle_s
        while self._ledger.waiting and time.monotonic() < deadline_s:  # noqa: ASYNC110 - a ledger has no events
            await asyncio.sleep(_POLL_S)

    def _conclude(self, devices: Sequence[Device], stored: Sequence[Counter[int]] | str) -> int:
        if isinstance(stored, str):
            print(report.table(self._ledger, None))
            print(f"could not verify what is stored: {stored}")
            return 2
        verdict = report.judge(self._ledger.accounts, stored)
        print(report.table(self._ledger, verdict))
        print(report.conclusion(self._ledger, verdict, [device.endpoint_id for device in devices]))
        return report.exit_code(self._ledger, verdict)

    def _listen_to_signals(self) -> None:
        loop, whole = asyncio.get_running_loop(), asyncio.current_task()

        def on_signal() -> None:
            if self._stop.is_set() or not self._sending:
                whole.cancel()  # type: ignore[union-attr]  # a coroutine that runs has a task
            self._stop.set()

        for number in _SIGNALS:
            loop.add_signal_handler(number, on_signal)


async def _reach(url: str) -> None:
    """Fail where nobody listens: devices would try again for ever."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(_REACH_S):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port)
            writer.close()
    except OSError as error:
        raise SimulatorError(f"{url} does not answer: {words(error)}; is the stack running?") from error


def _metadata(tree: Tree) -> dict[str, object]:
    row, place = divmod(tree.number - 1, _ROW)
    name = f"Olive tree {tree.number}"
    return {"name": name, "variety": tree.variety, "row": row + 1, "place": place + 1, "simulated": True}


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
