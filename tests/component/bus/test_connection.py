"""Connecting and disconnecting for good: what is waited for, refused and noticed (rule 25)."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from libs.bus import Bus, BusClosedError, BusRefusedError
from libs.contracts.errors import UnavailableError
from tests.component.bus.conftest import Connect
from tests.component.bus.messages import Question
from tests.component.bus.test_requests import double, subject_of
from tests.support.servers import NatsServer, running_nats
from tests.support.waiting import eventually


class AlteredNats(NatsServer):
    """A server whose configuration differs from the suite's."""

    def __init__(self, directory: Path, changes: dict[str, Any]) -> None:
        super().__init__(directory)
        self._changes = changes

    def reload(self, changes: dict[str, Any]) -> None:
        self._alter(changes)
        self.signal(signal.SIGHUP)

    def _argv(self) -> list[str]:
        argv = super()._argv()
        self._alter(self._changes)
        return argv

    def _alter(self, changes: dict[str, Any]) -> None:
        path = self.directory / "nats.conf"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@asynccontextmanager
async def altered_nats(directory: Path, changes: dict[str, Any]) -> AsyncIterator[AlteredNats]:
    server = AlteredNats(directory / "nats", changes)
    server.launch()
    try:
        await asyncio.to_thread(server.wait_ready)
        yield server
    finally:
        server.discard()


async def test_watch_ends_quietly_after_an_orderly_close(connect: Connect) -> None:
    bus = await connect()

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(bus.watch())
        await bus.close()


async def test_watch_raises_when_the_reader_has_ended(connect: Connect) -> None:
    bus = await connect()
    reader = bus._connection.client._reading_task  # noqa: SLF001 - nats-py's reader dies of surprises
    assert reader is not None
    reader.cancel()

    async with asyncio.timeout(5):
        with pytest.raises(BusClosedError, match="reader"):
            await bus.watch()


async def test_watch_raises_when_the_connection_was_closed_for_good(connect: Connect) -> None:
    bus = await connect()
    await bus._connection.client.close()  # noqa: SLF001 - as nats-py does after a fatal -ERR

    async with asyncio.timeout(5):
        with pytest.raises(BusClosedError, match="closed"):
            await bus.watch()


async def test_a_user_that_is_turned_away_comes_back_when_it_may(tmp_path: Path) -> None:
    async with altered_nats(tmp_path, {}) as server:
        bus = await Bus.connect(url=server.url, service="tester", replica="tester-1")
        users = json.loads((server.directory / "nats.conf").read_text())["authorization"]

        server.reload({"authorization": {"users": [{"user": "another", "password": "one"}]}})
        await eventually(lambda: cannot_ping(bus), what="turned away")
        server.reload({"authorization": users})
        await eventually(lambda: can_ping(bus), what="back")

        await bus.close()


async def can_ping(bus: Bus) -> bool:
    await bus.ping()
    return True


async def cannot_ping(bus: Bus) -> bool:
    try:
        await bus.ping()
    except UnavailableError:
        return True
    return False


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        pytest.param({"max_payload": 512 * 1024}, "max_payload", id="small messages"),
        pytest.param({"jetstream": {"enabled": False}}, "JetStream", id="no JetStream"),
    ],
)
async def test_an_unsuitable_server_is_refused_in_one_line(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    async with altered_nats(tmp_path, changes) as server:
        with pytest.raises(BusRefusedError, match=told) as refused:
            await Bus.connect(url=server.url, service="tester", replica="tester-1")

        assert "\n" not in str(refused.value)
        assert "nats://" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    ["", "nats://", "nats://host:port", "nats://user:secret@:4222"],
    ids=["empty", "no host", "bad port", "only a user"],
)
async def test_a_url_that_is_none_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(BusRefusedError) as refused:
        await Bus.connect(url=url, service="tester", replica="tester-1")

    assert "secret" not in str(refused.value)


async def test_what_the_user_may_not_hear_is_refused_at_start(tmp_path: Path) -> None:
    allowed = {"subscribe": {"allow": ["_INBOX_tester.>", "$SRV.>"]}}
    users = [{"user": "limited", "password": "pw", "permissions": allowed}]
    async with altered_nats(tmp_path, {"authorization": {"users": users}}) as server:
        bus = await Bus.connect(
            url=f"nats://limited:pw@127.0.0.1:{server.port}", service="tester", replica="tester-1"
        )

        with pytest.raises(BusRefusedError, match="may not subscribe"):
            await bus.serve(subject_of(bus), Question, double, queue="tester")

        await bus.close()


async def test_connecting_waits_for_the_server(tmp_path: Path) -> None:
    async with running_nats(tmp_path) as server:
        await server.kill()

        async with asyncio.TaskGroup() as tasks:
            connecting = tasks.create_task(Bus.connect(url=server.url, service="tester", replica="tester-1"))
            await asyncio.sleep(0.5)
            assert not connecting.done()
            await server.start()

        await connecting.result().ping()
        await connecting.result().close()


async def test_connecting_can_be_given_up() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await Bus.connect(url="nats://127.0.0.1:1", service="tester", replica="tester-1")
