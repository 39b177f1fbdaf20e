"""What the use cases need from the world."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from libs.contracts.pushes import DeliveredReport
from libs.mqtt import ReasonCode
from services.mqtt_transport.domain.bindings import Ending
from services.mqtt_transport.domain.speaking import OnTheWay, Spoken


class Channel(Protocol):
    """A client's connection, as far as answering it goes. Calls on one that is closed do nothing."""

    @property
    def number(self) -> int:
        """Its number; never used twice by this process."""

    def say(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int,
        owner: str | None = None,
        correlation_data: bytes | None = None,
        delivery: object | None = None,
    ) -> bool:
        """Publish to the client.

        Args:
            topic: Where.
            payload: What.
            qos: 0 or 1, lowered where the client asked for less.
            owner: Whom the answer belongs to, if it may be kept for the client's next connection.
            correlation_data: Of the v5 request that this answers.
            delivery: What :class:`Deliveries` is told when the client has acknowledged it.

        Returns:
            Whether it is on its way; else it was dropped, and counted.
        """

    def settle(self, number: int, reason: ReasonCode) -> None:
        """Acknowledge a message."""

    def leave_out(self, number: int) -> None:
        """Never acknowledge a message; its connection ends in a while, so that it is sent again."""

    def show_owner(self, owner: str) -> None:
        """Send what was kept for this owner: the client has just shown that it speaks for it."""


class TelemetryChannel(Channel, Protocol):
    """A client's connection, as far as its telemetry goes."""

    @property
    def topics(self) -> dict[str, Spoken]:
        """Topics of this connection that were let in."""

    @property
    def on_the_way(self) -> OnTheWay:
        """Telemetry of this connection that is not in a batch yet."""

    def collected(self, numbers: list[int], *, messages: int, held: int) -> None:
        """So many messages are durable: acknowledge those that have a number."""

    def end(self, reason: ReasonCode) -> None:
        """Say goodbye: what is acknowledged is written first."""

    def not_collected(self, numbers: list[int], *, messages: int, held: int) -> None:
        """So many messages are not durable: never acknowledge those that have a number."""


class Channels(Protocol):
    """The open connections."""

    def find(self, number: int) -> Channel | None:
        """The connection of this number, if it is open."""


class Connectivity(Protocol):
    """Where it is told who is connected."""

    async def connected(self, endpoints: Mapping[str, str]) -> str:
        """Announce bindings (endpoint id -> application version) and return their generation.

        Raises:
            UnavailableError: Not stored in time; whether it was is unknown.
        """

    async def restated(self, endpoints: Mapping[str, str], generations: Mapping[str, str]) -> None:
        """Announce bindings again, with the generations they have.

        Raises:
            UnavailableError: As above.
        """

    async def disconnected(self, endings: Sequence[Ending]) -> None:
        """Announce the end of bindings.

        Raises:
            UnavailableError: As above.
        """

    async def alive(self, *, bindings: int, leaving: bool = False) -> bool:
        """Say that this replica lives; True when all bindings have to be announced again.

        Raises:
            GroveError: Nobody heard it.
        """


class Confirmations(Protocol):
    """Whoever pushed something wants to know that it has arrived."""

    async def confirm(self, instance: str, report: DeliveredReport) -> None:
        """Tell it.

        Raises:
            GroveError: It was not told.
        """
