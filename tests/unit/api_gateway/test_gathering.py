"""Lists that come in several messages."""

import asyncio
from dataclasses import dataclass

import pytest

from libs.contracts.applications import LIST_APPLICATIONS, Application, ApplicationsReply, ListApplications
from libs.contracts.errors import DeadlineError, PayloadTooLargeError
from libs.contracts.messages import ReplyT, RequestT
from libs.contracts.subjects import Operation
from services.api_gateway.gathering import MAX_MESSAGES, ask_for_all


@dataclass
class Owner:
    """Gives one application in each message, and takes its time."""

    messages: int
    takes_s: float = 0.0
    given: int = 0

    async def ask(
        self, operation: Operation[RequestT, ReplyT], message: RequestT, *, timeout_s: float | None = None
    ) -> ReplyT:
        await asyncio.sleep(self.takes_s)
        self.given += 1
        following = "" if self.given == self.messages else f"{self.given}"
        body = Application(
            name=f"a{self.given}",
            display_name="",
            description="",
            created_date="",
            updated_date="",
            versions=[],
        )
        reply = ApplicationsReply(body=[body], next=following)
        assert isinstance(reply, operation.reply)
        return reply


async def gathered(owner: Owner) -> list[str]:
    reply = await ask_for_all(owner, LIST_APPLICATIONS, ListApplications(), timeout_s=None)
    assert isinstance(reply, ApplicationsReply)
    return [application.name for application in reply.body]


async def test_a_list_of_several_messages_is_one() -> None:
    assert await gathered(Owner(messages=3)) == ["a1", "a2", "a3"]


async def test_a_list_has_a_longest_length() -> None:
    assert len(await gathered(Owner(messages=MAX_MESSAGES))) == MAX_MESSAGES
    with pytest.raises(PayloadTooLargeError):
        await gathered(Owner(messages=MAX_MESSAGES + 1))


async def test_a_list_that_comes_slowly_ends_in_a_deadline_of_all_its_messages() -> None:
    owner = Owner(messages=MAX_MESSAGES, takes_s=0.02)

    with pytest.raises(DeadlineError):
        await ask_for_all(owner, LIST_APPLICATIONS, ListApplications(), timeout_s=None, rest_within_s=0.1)

    assert 1 <= owner.given <= 6
