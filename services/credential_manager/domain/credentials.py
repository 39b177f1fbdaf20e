"""A credential of an endpoint from its creation to the moment its last trace is forgotten.

The four states that users see are those of :mod:`libs.contracts.tokens`. Around them lies the phase
of the record, which nobody outside sees::

    UNCONFIRMED --its endpoint was seen after the insert--> LIVE --delete--> DELETED --> forgotten
         |                                                                                  ^
         +------------------------------ after a minute, otherwise -------------------------+

A credential exists for devices and operators only while it is LIVE. A DELETED record has given its
value back (another one may take it) and stays for a while so that the deletion can be announced, and
announced again by a process that starts. What is peculiar to a kind is in ``tokens`` and ``senml``.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, Self

from libs.contracts.errors import ConflictError
from libs.contracts.ids import ApplicationName, EndpointId
from libs.contracts.tokens import ACCEPTED, TokenStatus, check_transition
from services.credential_manager.domain.changes import Change, Record

MAX_CREDENTIALS_PER_ENDPOINT: Final = 1000
"""Of one kind; keeps every list of them small enough to be read whole; held approximately."""

UNCONFIRMED_FOR: Final = timedelta(minutes=1)
"""How long a creation may take; longer than any request lives."""

DELETED_FOR: Final = timedelta(minutes=15)
"""How long a deletion is remembered: more than the 10 minutes that a start repeats."""


class Phase(Enum):
    """Where the record is in its life, spelled as stored."""

    UNCONFIRMED = "unconfirmed"
    LIVE = "live"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential(Record):
    """What lets an endpoint in; the secret itself is nowhere readable in it.

    Attributes:
        application: Where its endpoint belongs.
        endpoint_id: Who is let in with it.
        incarnation: Which life of the endpoint id it belongs to; None = not known, because it is
            UNCONFIRMED, or was stored by or for a release that did not record it.
        fingerprint: Hash of the value; of a DELETED one, bytes that no hash can equal.
        status: What operators and devices have made of it.
        phase: Whether it exists for anyone.
        created_at: When it was created.
        updated_at: When its state last changed; None = never.
        forget_from: From when on the record may vanish; None = never.
    """

    application: ApplicationName
    endpoint_id: EndpointId
    incarnation: str | None
    fingerprint: bytes = field(repr=False)
    status: TokenStatus
    phase: Phase
    created_at: datetime
    updated_at: datetime | None
    forget_from: datetime | None

    def unconfirmed(self) -> Self:
        """The same as a mere claim to the value, until somebody looked whether the endpoint exists."""
        return replace(
            self,
            phase=Phase.UNCONFIRMED,
            incarnation=None,
            announce_from=None,
            forget_from=self.created_at + UNCONFIRMED_FOR,
        )

    def confirmed(self, change: Change, *, incarnation: str | None) -> Self:
        """Begin to exist, for the endpoint that was seen after the insert."""
        return replace(self._changed(change), phase=Phase.LIVE, incarnation=incarnation, forget_from=None)

    def moved(self, target: TokenStatus, change: Change) -> Self | None:
        """Move to another state; None when it is there already.

        Raises:
            ConflictError: There is no such step; the phrase names both states.
        """
        if not check_transition(self.status, target):
            return None
        after = replace(self._changed(change), status=target, updated_at=change.at)
        return after.without_secret() if target is TokenStatus.REVOKED else after

    def deleted(self, change: Change) -> Self:
        """Stop existing; the value is free from here on."""
        return replace(
            self._changed(change).without_secret(),
            phase=Phase.DELETED,
            fingerprint=f"deleted {self.id}".encode(),
            forget_from=change.at + DELETED_FOR,
        )

    def without_secret(self) -> Self:
        """Drop what could give the value back: it is not accepted ever again."""
        return self

    def may_be_of(self, incarnation: str | None) -> bool:
        """Tell whether it may belong to this life of its endpoint id: for sure when both are known."""
        return None in {self.incarnation, incarnation} or self.incarnation == incarnation

    @property
    def accepted(self) -> bool:
        """Whether its holder is let in."""
        return self.phase is Phase.LIVE and self.status in ACCEPTED

    def _changed(self, change: Change) -> Self:
        return replace(
            self,
            revision=self.revision + 1,
            attempt=change.attempt,
            changed_at=change.at,
            announce_from=change.announce_from,
        )


def check_room(count: int, *, what: str = "tokens") -> None:
    """Allow one more credential of a kind beside ``count`` others.

    Raises:
        ConflictError: The endpoint has too many.
    """
    if count >= MAX_CREDENTIALS_PER_ENDPOINT:
        raise ConflictError(f"the endpoint has {count} {what}, the most there can be; delete some first")
