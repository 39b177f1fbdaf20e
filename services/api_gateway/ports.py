"""What the gateway needs from the world."""

from collections.abc import Awaitable, Callable, Sequence
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


class Extent(Protocol):
    """What a stream of the bus holds."""

    @property
    def created_ms(self) -> int:
        """When it was created, Unix milliseconds: sequences began then."""

    @property
    def first_sequence(self) -> int:
        """Of the oldest event; one more than the last ever where it is empty."""

    @property
    def last_sequence(self) -> int:
        """Of the newest event there ever was."""


class KeptEvent(Protocol):
    """A control event as the stream has it."""

    @property
    def sequence(self) -> int:
        """Its place in the stream."""

    @property
    def kind(self) -> str:
        """Its type: ``endpoint.metadata.updated``."""

    @property
    def body(self) -> bytes:
        """The message."""


class Events(Protocol):
    """What happens, as the bus tells it."""

    @property
    def stream(self) -> str:
        """Name of the stream that keeps control events."""

    async def extent(self) -> Extent:
        """What that stream holds now.

        Raises:
            UnavailableError: There is no such stream now, or nobody answered in time.
        """

    async def kept(self, from_sequence: int) -> KeptEvent | None:
        """Read the first control event at or behind a sequence; None = there is none yet.

        Raises:
            UnavailableError: Nobody answered in time.
        """

    async def hear(self, kind: str, handler: Callable[[bytes], None]) -> Callable[[], Awaitable[None]]:
        """Hear data events of a type from now on; returns what ends that."""


class AuditLog(Protocol):
    """Where changes are written down."""

    async def store(self, entries: Sequence[AuditEntry], *, deadline_s: float) -> None:
        """Return when all of them are durable.

        Raises:
            GroveError: They are not, or nobody knows.
        """
