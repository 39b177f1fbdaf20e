"""Streams: made once, upgraded by revision, never downgraded."""

import asyncio
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from libs.bus import Bus, BusRefusedError
from tests.component.bus.conftest import Connect
from tests.component.bus.messages import stream_of


async def config_of(bus: Bus, name: str) -> dict[str, Any]:
    answer = await bus._requester.exchange(f"$JS.API.STREAM.INFO.{name}", b"", timeout_s=2)  # noqa: SLF001 - looks behind the facade
    config: dict[str, Any] = msgspec.json.decode(answer.data)["config"]
    return config


async def test_a_stream_is_created_as_declared(bus: Bus) -> None:
    spec = stream_of(bus)

    await bus.ensure_stream(spec)

    config = await config_of(bus, spec.name)
    assert config["subjects"] == list(spec.subjects)
    assert (config["retention"], config["discard"], config["storage"]) == ("limits", "new", "file")
    assert (config["max_bytes"], config["max_age"], config["duplicate_window"]) == (2**20, 0, 120 * 10**9)
    assert config["metadata"]["grove_revision"] == "1"


async def test_replicas_may_create_it_at_the_same_time(connect: Connect) -> None:
    buses = [await connect() for _ in range(5)]
    older = stream_of(buses[0])
    newer = replace(older, revision=2, max_bytes=2**21)

    await asyncio.gather(*(bus.ensure_stream(spec) for bus in buses for spec in (older, newer)))

    assert (await config_of(buses[0], older.name))["max_bytes"] == 2**21


async def test_a_higher_revision_upgrades_in_place_and_a_lower_one_is_left_alone(bus: Bus) -> None:
    first = stream_of(bus)
    second = replace(first, revision=2, max_bytes=2**21, description="newer")

    await bus.ensure_stream(first)
    await bus.ensure_stream(second)
    await bus.ensure_stream(first)

    config = await config_of(bus, first.name)
    assert (config["max_bytes"], config["description"]) == (2**21, "newer")
    assert config["metadata"]["grove_revision"] == "2"


async def test_a_changed_declaration_without_a_new_revision_changes_nothing(bus: Bus) -> None:
    spec = stream_of(bus)
    await bus.ensure_stream(spec)

    await bus.ensure_stream(replace(spec, max_bytes=2**21))

    assert (await config_of(bus, spec.name))["max_bytes"] == 2**20


async def test_a_stream_that_cannot_be_kept_is_told_in_one_line(bus: Bus) -> None:
    spec = stream_of(bus)
    await bus.ensure_stream(spec)

    with pytest.raises(BusRefusedError, match="overlap"):
        await bus.ensure_stream(replace(spec, name=f"{spec.name}_2"))
