"""The whole service: built as in production, and as processes that are killed under load."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest

from libs.bus import Bus
from libs.contracts.errors import DeadlineError, UnavailableError
from libs.contracts.ids import EndpointId
from libs.contracts.lifecycle import METADATA_UPDATED
from libs.process import Process, ProcessSettings, serve
from libs.store import Store
from services.endpoint_register import app
from services.endpoint_register.mongo import MongoEndpointRepository
from tests.component.endpoint_register.conftest import SECRETS_KEY, Client, StandInCredentials
from tests.support.servers import NatsServer, StoreServer, nats_process, store_process
from tests.support.waiting import eventually
from tests.unit.endpoint_register.time_and_chance import ManualClock


@asynccontextmanager
async def built(nats: NatsServer, store: StoreServer) -> AsyncIterator[Process]:
    """One service in this process, with exactly the rights of production."""
    settings = ProcessSettings(
        nats_url=nats.url_for("endpoint-register"),
        nats_durability="synced",
        mongodb=store.url,
        secrets=SECRETS_KEY,
    )
    process = Process("endpoint-register", settings=settings)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(serve(process, app.build))
        try:
            await eventually(lambda: _is_ready(process), what="the service is ready")
            yield process
        finally:
            process.stop("the test is over")
        assert await running == 0


async def _is_ready(process: Process) -> bool:
    return (await process.health.readiness()).ready


async def test_it_is_built_serves_and_stops_in_order(
    client: Client, credentials: StandInCredentials, nats: NatsServer, store_server: StoreServer
) -> None:
    async with built(nats, store_server) as process:
        version = await client.new_version()
        created = await client.new_endpoint(version, metadata={"a": 1})
        await client.device(version, created.endpoint_id, "/update/keys", {"b": 2})
        checks = (await process.health.readiness()).checks

    store = Store.open(store_server.url, database="endpoint_register", app_name="test")
    left = await MongoEndpointRepository(store, clock=ManualClock()).find(
        EndpointId(created.endpoint_id), outbox=True
    )
    await store.close()
    assert set(checks.values()) == {"ok"}
    assert left is not None
    assert left.outbox == ()


@pytest.fixture
def own_nats(tmp_path: Path) -> Iterator[NatsServer]:
    with nats_process(tmp_path) as server:
        yield server


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[StoreServer]:
    with store_process(tmp_path) as server:
        yield server


@contextmanager
def replica_process(
    nats: NatsServer, store: StoreServer, directory: Path, number: int
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run one replica as a process of its own."""
    environ = {
        "GROVE_NATS_URL": nats.url_for("endpoint-register"),
        "GROVE_NATS_DURABILITY": "synced",
        "GROVE_MONGODB_URL": store.url,
        "GROVE_SECRETS_KEY": SECRETS_KEY,
        "GROVE_PORT_FILE": str(directory / f"ports-{number}.json"),
        "GROVE_ENDPOINT_REGISTER_SWEEP_EVERY_S": "0.5",
        "GROVE_ENDPOINT_REGISTER_OUTBOX_AFTER_S": "0.5",
    }
    with (directory / f"replica-{number}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.endpoint_register"],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def _written(files: Collection[Path]) -> bool:
    return all(path.exists() for path in files)


async def keep_writing(client: Client, version: str, endpoint: str, *, writer: int, count: int) -> list[str]:
    """Set keys one by one until each was acknowledged, however often that takes; return them."""
    acknowledged = []
    for number in range(count):
        key = f"w{writer}_{number}"
        while True:
            with suppress(UnavailableError, DeadlineError):
                await client.device(version, endpoint, "/update/keys", {key: number})
                break
            await asyncio.sleep(0.05)
        acknowledged.append(key)
    return acknowledged


@pytest.mark.chaos
async def test_no_acknowledged_update_and_no_event_is_lost_when_things_are_killed(
    own_nats: NatsServer, own_store: StoreServer, tmp_path: Path
) -> None:
    bus = await Bus.connect(url=own_nats.url, service="tester", replica="tester-1")
    client = Client(bus, timeout_s=2.0)  # what a killed replica was given is never answered
    await StandInCredentials().serve(bus)
    with (
        replica_process(own_nats, own_store, tmp_path, 0) as first,
        replica_process(own_nats, own_store, tmp_path, 1),
    ):
        ports = [tmp_path / f"ports-{number}.json" for number in range(2)]
        await eventually(lambda: _written(ports), what="two replicas are ready", deadline_s=20)
        await client.listen(METADATA_UPDATED)
        version = await client.new_version()
        endpoint = (await client.new_endpoint(version)).endpoint_id

        async with asyncio.TaskGroup() as group:
            writers = [
                group.create_task(keep_writing(client, version, endpoint, writer=writer, count=60))
                for writer in range(4)
            ]
            await eventually(lambda: _heard(client, 20), what="some updates")
            first.send_signal(signal.SIGKILL)
            await eventually(lambda: _heard(client, 80), what="updates after a replica died")
            await own_store.kill()
            await own_store.start()

        acknowledged = {key for writer in writers for key in writer.result()}
        seen = json.loads(await client.device(version, endpoint, "/get"))
        assert acknowledged <= seen.keys()
        await eventually(lambda: _told(client, seen.keys()), what="an event for every key", deadline_s=20)
    await bus.close()


async def _heard(client: Client, count: int) -> bool:
    return len({event.e_tag for _, event in client.heard}) >= count


async def _told(client: Client, keys: Collection[str]) -> bool:
    return {key for _, event in client.heard for key in event.added} == set(keys)


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        pytest.param({}, "GROVE_NATS_URL", id="no bus"),
        pytest.param({"GROVE_NATS_URL": "nats://127.0.0.1:1"}, "GROVE_SECRETS_KEY", id="no key"),
        pytest.param(
            {"GROVE_NATS_URL": "nats://127.0.0.1:1", "GROVE_SECRETS_KEY": "short"},
            "GROVE_SECRETS_KEY",
            id="short key",
        ),
        pytest.param(
            {"GROVE_NATS_URL": "nats://127.0.0.1:1", "GROVE_SECRETS_KEY": SECRETS_KEY},
            "GROVE_MONGODB_URL",
            id="no store",
        ),
        pytest.param(
            {"GROVE_NATS_URL": "nats://127.0.0.1:1", "GROVE_ENDPOINT_REGISTER_SWEEP_EVERY_S": "often"},
            "GROVE_ENDPOINT_REGISTER_SWEEP_EVERY_S",
            id="bad value",
        ),
    ],
)
def test_bad_settings_stop_the_start_with_one_line(environ: dict[str, str], complaint: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.endpoint_register"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert done.returncode == 2
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
