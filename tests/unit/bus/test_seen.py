"""Who was heard: one line per endpoint, in parts that fit, kept when nobody takes it."""

import asyncio
from datetime import UTC, datetime

import pytest

from libs.bus import seen
from libs.bus.seen import SeenReporter
from libs.contracts.connectivity import MAX_ENDPOINTS, Seen, SeenReply, SeenReport
from libs.contracts.errors import UnavailableError
from libs.contracts.messages import EventT, ReplyT, Request
from libs.contracts.subjects import Subjects
from tests.support.waiting import eventually

NOW = datetime(2026, 7, 1, 12, 0, 0, 123_000, tzinfo=UTC)
NOW_MS = 1_782_907_200_123


class Register:
    """endpoint-register as the reporter meets it."""

    def __init__(self) -> None:
        self.subjects = Subjects()
        self.reports: list[SeenReport] = []
        self.away = False

    async def request(
        self, subject: str, message: Request, reply_type: type[ReplyT], *, timeout_s: float = 5.0
    ) -> ReplyT:
        if self.away:
            raise UnavailableError
        assert isinstance(message, SeenReport)
        self.reports.append(message)
        reply = SeenReply()
        assert isinstance(reply, reply_type)
        return reply

    async def listen(self, subject: str, event_type: type[EventT], handler: object) -> None:
        raise AssertionError(subject)

    def on_cut(self, callback: object) -> None:
        raise AssertionError(callback)


@pytest.fixture
def register() -> Register:
    return Register()


@pytest.fixture
def reporter(register: Register) -> SeenReporter:
    return SeenReporter(register, transport="HTTP", now=lambda: NOW)


async def test_an_endpoint_that_spoke_often_is_one_line(register: Register, reporter: SeenReporter) -> None:
    for version in ("grove-v1", "grove-v1", "grove-v2"):
        reporter.note("ep", version)

    await reporter.report()

    (report,) = register.reports
    assert (report.transport, report.endpoints) == ("HTTP", {"ep": Seen(NOW_MS, "grove-v2")})


async def test_what_was_told_is_not_told_again(register: Register, reporter: SeenReporter) -> None:
    reporter.note("ep", "grove-v1")
    await reporter.report()

    await reporter.report()

    assert len(register.reports) == 1


async def test_many_endpoints_go_in_parts_that_fit(register: Register, reporter: SeenReporter) -> None:
    for number in range(MAX_ENDPOINTS + 1):
        reporter.note(f"ep{number}", "grove-v1")

    await reporter.report()

    assert [len(report.endpoints) for report in register.reports] == [MAX_ENDPOINTS, 1]


async def test_what_nobody_took_is_told_next_time(register: Register, reporter: SeenReporter) -> None:
    reporter.note("ep", "grove-v1")
    reporter.note("other", "grove-v1")
    register.away = True
    await reporter.report()
    reporter.note("ep", "grove-v2")
    register.away = False

    await reporter.report()

    (report,) = register.reports
    assert report.endpoints == {"ep": Seen(NOW_MS, "grove-v2"), "other": Seen(NOW_MS, "grove-v1")}


async def test_a_fleet_larger_than_memory_is_bounded(register: Register, reporter: SeenReporter) -> None:
    for number in range(seen.MAX_NOTED + 10):
        reporter.note(f"ep{number}", "grove-v1")

    await reporter.report()

    assert sum(len(report.endpoints) for report in register.reports) == seen.MAX_NOTED


async def test_it_reports_by_itself(register: Register) -> None:
    reporter = SeenReporter(register, transport="MQTT", now=lambda: NOW, every_s=0.01)
    task = asyncio.get_running_loop().create_task(reporter.run())
    reporter.note("ep", "grove-v1")

    async def told() -> bool:
        return bool(register.reports)

    await eventually(told, what="it is told")
    task.cancel()
