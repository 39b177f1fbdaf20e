"""``$SRV`` shows every process, what it serves and how much of it."""

from typing import Any

import msgspec
import pytest

from libs.bus import Bus
from libs.contracts.errors import ConflictError
from libs.contracts.version import VERSION
from tests.component.bus.conftest import Connect
from tests.component.bus.messages import Answer, Question
from tests.component.bus.test_requests import ask, double, subject_of


async def look(bus: Bus, verb: str, service: str) -> dict[str, Any]:
    answer = await bus._requester.exchange(f"$SRV.{verb}.{service}", b"", timeout_s=2)  # noqa: SLF001 - `nats micro` would
    found: dict[str, Any] = msgspec.json.decode(answer.data)
    return found


async def test_a_process_answers_ping_with_its_version_and_replica(connect: Connect) -> None:
    bus = await connect("pinged")

    found = await look(bus, "PING", "pinged")

    assert (found["name"], found["version"]) == ("pinged", VERSION)
    assert found["metadata"] == {"replica": "pinged-1"}


async def test_stats_count_what_was_served_and_tell_no_error_text(connect: Connect) -> None:
    bus = await connect("counted")

    async def odd_fails(question: Question) -> Answer:
        if question.number % 2:
            raise ConflictError("swordfish")
        return await double(question)

    await bus.serve(subject_of(bus), Question, odd_fails, queue="counted")
    await ask(bus, 2)
    with pytest.raises(ConflictError):
        await ask(bus, 3)

    (endpoint,) = (await look(bus, "STATS", "counted"))["endpoints"]

    assert (endpoint["num_requests"], endpoint["num_errors"], endpoint["last_error"]) == (2, 1, "")
    assert endpoint["processing_time"] > 0
    (info,) = (await look(bus, "INFO", "counted"))["endpoints"]
    assert (info["subject"], info["queue_group"]) == (subject_of(bus), "counted")
