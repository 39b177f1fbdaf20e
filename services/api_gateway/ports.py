"""What the gateway needs from the world."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from libs.contracts.api_keys import ApiKey
from libs.contracts.audit import AuditEntry
from libs.contracts.messages import ReplyT, RequestT
from libs.contracts.subjects import Operation


class Clock(Protocol):
    """What time it is."""

    def now(self) -> datetime:
        """An aware instant."""


class Keys(Protocol):
    """Which API keys there are."""

    async def check(self, key: str) -> ApiKey:
        """What a key may do, as it was at most 30 s ago and before any revocation heard since.

        Raises:
            UnauthorizedError: There is no such key, or it is no longer accepted.
        """


class Owners(Protocol):
    """The services that own the data."""

    async def ask(
        self, operation: Operation[RequestT, ReplyT], message: RequestT, *, timeout_s: float | None = None
    ) -> ReplyT:
        """Have an operation carried out; ``timeout_s`` is for those that may take long.

        Raises:
            GroveError: What the owner answered, or that it could not be asked.
        """


class AuditLog(Protocol):
    """Where changes are written down."""

    async def store(self, entries: Sequence[AuditEntry], *, deadline_s: float) -> None:
        """Return when all of them are durable.

        Raises:
            GroveError: They are not, or nobody knows.
        """
