"""The messages these tests speak, and the stream that keeps some of them."""

import msgspec

from libs.bus import Announced, Bus
from libs.contracts.messages import Event, Reply, Request
from libs.contracts.streams import StreamSpec


class Question(Request, frozen=True):
    number: int
    text: str = ""


class Answer(Reply, frozen=True):
    number: int
    text: str = ""


class Happened(Event, frozen=True):
    number: int
    text: str = ""


def stream_of(bus: Bus, *, max_bytes: int = 1024 * 1024) -> StreamSpec:
    return StreamSpec(
        name=bus.subjects.root.replace(".", "_"),
        owner="tester",
        subjects=(bus.subjects.event("tester", "thing", "test", "happened"),),
        retention="limits",
        discard="new",
        max_age_s=0,
        max_bytes=max_bytes,
        duplicate_window_s=120,
        revision=1,
        description="events of a test",
    )


async def announce(bus: Bus, number: int, *, deadline_s: float = 15.0) -> Announced:
    return await bus.announce(
        bus.subjects.event("tester", "thing", "test", "happened"),
        Happened(number=number),
        msg_id=f"event-{number}",
        deadline_s=deadline_s,
    )


async def stored(bus: Bus) -> int:
    """How many messages the stream holds."""
    answer = await bus._requester.exchange(  # noqa: SLF001 - looks behind the facade
        f"$JS.API.STREAM.INFO.{bus.subjects.root.replace('.', '_')}", b"", timeout_s=2
    )
    return int(msgspec.json.decode(answer.data)["state"]["messages"])
