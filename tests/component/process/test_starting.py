"""What a real process says and leaves behind when it starts, or cannot."""

import json
import stat

from tests.component.process.conftest import Start
from tests.support.waiting import eventually


async def test_the_port_file_is_private_and_names_who_listens_where(start: Start) -> None:
    sample = await start()

    content = json.loads(sample.port_file.read_text())

    assert stat.S_IMODE(sample.port_file.stat().st_mode) == 0o600
    assert content["pid"] == sample.pid
    assert content["replica"].startswith("sample-")
    assert set(content["ports"]) == {"health", "http"}


async def test_health_readiness_and_metrics_are_answered(start: Start) -> None:
    sample = await start()

    async with sample.client.get(sample.url("health", "/health")) as response:
        health = await response.json()
    async with sample.client.get(sample.url("health", "/metrics")) as response:
        metrics = await response.text()

    assert health["status"] == "ok"
    assert health["replica"] == json.loads(sample.port_file.read_text())["replica"]
    assert await sample.ready() == (200, {"status": "ready", "checks": {"other side": "ok"}})
    assert "grove_event_loop_lag_seconds_bucket" in metrics
    assert "process_resident_memory_bytes" in metrics
    assert 'grove_process_info{replica="sample-' in metrics


async def test_readiness_is_lost_when_a_ping_fails(start: Start) -> None:
    sample = await start()
    await sample.post("/break-ping")

    async def unready() -> bool:
        return (await sample.ready())[0] == 503

    await eventually(unready, what="503 after the ping failed")

    body = {"status": "unready", "checks": {"other side": "ConnectionError: the other side is gone"}}
    assert await sample.ready() == (503, body)


async def test_bad_settings_are_told_in_one_line_with_all_problems(start: Start) -> None:
    sample = await start(serving=False, GROVE_NATS_URL="", GROVE_HTTP_PROT="1", GROVE_HEALTH_PORT="many")

    ended = await sample.ended()

    assert ended.code == 2
    assert ended.events == []
    assert ended.errors == (
        "sample: bad settings: unknown variable GROVE_HTTP_PROT (did you mean GROVE_HTTP_PORT?); "
        "GROVE_HEALTH_PORT must be a whole number, not 'many'; GROVE_NATS_URL is not set\n"
    )


async def test_bad_settings_of_the_service_itself_are_told_in_one_line(start: Start) -> None:
    sample = await start(serving=False, GROVE_SAMPLE_LIMIT="10", GROVE_SAMPLE_BUILD="maybe")

    ended = await sample.ended()

    assert ended.code == 2
    assert ended.errors == (
        "sample: bad settings: GROVE_SAMPLE_BUILD must be one of serve, fail, wait, not 'maybe'; "
        "GROVE_SAMPLE_LIMIT must be at most 9, not '10'\n"
    )


async def test_a_service_that_cannot_be_built_stops_what_it_opened_and_says_why(start: Start) -> None:
    sample = await start(serving=False, GROVE_SAMPLE_BUILD="fail")

    ended = await sample.ended()

    assert ended.code == 1
    assert ended.errors == "sample: cannot start: ValueError: mongodb://***@store is not a place\n"
    assert "Traceback" in ended.event("process.not_built")["exception"]
    assert ended.event("drain.done")["step"] == "sample"
    assert "hidden" not in sample.log


async def test_a_taken_health_port_is_told_in_one_line(start: Start) -> None:
    first = await start()
    taken = str(json.loads(first.port_file.read_text())["ports"]["health"])

    second = await start(serving=False, GROVE_HEALTH_PORT=taken)
    ended = await second.ended()

    assert ended.code == 1
    assert ended.errors.count("\n") == 1
    assert f"'127.0.0.1', {taken}" in ended.errors
