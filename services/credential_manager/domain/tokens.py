"""An endpoint token from its creation to the moment its last trace is forgotten.

The four states that users see are those of :mod:`libs.contracts.tokens`. Around them lies the phase
of the record, which nobody outside sees::

    UNCONFIRMED --its endpoint was seen after the insert--> LIVE --delete--> DELETED --> forgotten
         |                                                                                  ^
         +------------------------------ after a minute, otherwise -------------------------+

A token exists for devices and operators only while it is LIVE. A DELETED record has given its value
back (another token may take it) and stays for a while so that the deletion can be announced, and
announced again by a process that starts.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from libs.contracts.ecap import (
    TOKEN_REVOKED,
    TOKEN_STATUS_CHANGED,
    EndpointTokenRevokedEvent,
    EndpointTokenStatusChangedEvent,
)
from libs.contracts.errors import ConflictError, ForbiddenError
from libs.contracts.ids import ApplicationName, EndpointId, TokenId
from libs.contracts.tokens import ACCEPTED, TokenStatus, check_transition
from services.credential_manager.domain.changes import Announcement, Change, Record

MAX_TOKENS_PER_ENDPOINT: Final = 1000
"""Keeps every list of an endpoint's tokens small enough to be read whole; held approximately."""

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
class EndpointToken(Record):
    """A token; its value is nowhere in it.

    Attributes:
        id: Names the token without telling it.
        application: Where the value is unique.
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

    id: TokenId
    application: ApplicationName
    endpoint_id: EndpointId
    incarnation: str | None
    fingerprint: bytes = field(repr=False)
    status: TokenStatus
    phase: Phase
    created_at: datetime
    updated_at: datetime | None
    forget_from: datetime | None

    @staticmethod
    def new(
        token_id: TokenId,
        *,
        application: ApplicationName,
        endpoint_id: EndpointId,
        fingerprint: bytes,
        change: Change,
        incarnation: str | None = None,
    ) -> "EndpointToken":
        """A token that exists at once: whoever asks for it answers for its endpoint."""
        return EndpointToken(
            id=token_id,
            revision=1,
            attempt=change.attempt,
            changed_at=change.at,
            announce_from=change.announce_from,
            application=application,
            endpoint_id=endpoint_id,
            incarnation=incarnation,
            fingerprint=fingerprint,
            status=TokenStatus.INACTIVE,
            phase=Phase.LIVE,
            created_at=change.at,
            updated_at=None,
            forget_from=None,
        )

    def unconfirmed(self) -> "EndpointToken":
        """The same as a mere claim to the value, until somebody looked whether the endpoint exists."""
        return replace(
            self,
            phase=Phase.UNCONFIRMED,
            incarnation=None,
            announce_from=None,
            forget_from=self.created_at + UNCONFIRMED_FOR,
        )

    def confirmed(self, change: Change, *, incarnation: str | None) -> "EndpointToken":
        """Begin to exist, for the endpoint that was seen after the insert."""
        return replace(self._changed(change), phase=Phase.LIVE, incarnation=incarnation, forget_from=None)

    def moved(self, target: TokenStatus, change: Change) -> "EndpointToken | None":
        """Move to another state; None when it is there already.

        Raises:
            ConflictError: There is no such step; the phrase names both states.
        """
        if not check_transition(self.status, target):
            return None
        return replace(self._changed(change), status=target, updated_at=change.at)

    def deleted(self, change: Change) -> "EndpointToken":
        """Stop existing; the value is free from here on."""
        return replace(
            self._changed(change),
            phase=Phase.DELETED,
            fingerprint=f"deleted {self.id}".encode(),
            forget_from=change.at + DELETED_FOR,
        )

    def may_be_of(self, incarnation: str | None) -> bool:
        """Tell whether it may belong to this life of its endpoint id: for sure when both are known."""
        return None in {self.incarnation, incarnation} or self.incarnation == incarnation

    def check_accepted(self) -> None:
        """Let the holder in.

        Raises:
            ForbiddenError: The token is suspended or revoked.
        """
        if self.status not in ACCEPTED:
            raise ForbiddenError(f"this endpoint token is {self.status.value.lower()}")

    def announcements(self) -> tuple[Announcement, ...]:
        """Tell that it is refused from now on, if so, then what became of it."""
        if self.phase is Phase.UNCONFIRMED:
            return ()
        ids = (self.id,)
        deleted = self.phase is Phase.DELETED
        changed = Announcement(
            TOKEN_STATUS_CHANGED,
            EndpointTokenStatusChangedEvent(
                app_name=self.application,
                endpoint_id=self.endpoint_id,
                token_ids=ids,
                status=None if deleted else self.status,
            ),
            f"{self.id}-{self.revision}-{TOKEN_STATUS_CHANGED.name}",
        )
        if not deleted and self.status in ACCEPTED:
            return (changed,)
        refused = Announcement(
            TOKEN_REVOKED,
            EndpointTokenRevokedEvent(app_name=self.application, endpoint_id=self.endpoint_id, token_ids=ids),
            f"{self.id}-{self.revision}-{TOKEN_REVOKED.name}",
        )
        return (refused, changed)

    def _changed(self, change: Change) -> "EndpointToken":
        return replace(
            self,
            revision=self.revision + 1,
            attempt=change.attempt,
            changed_at=change.at,
            announce_from=change.announce_from,
        )


def check_room(count: int) -> None:
    """Allow one more token beside ``count`` others.

    Raises:
        ConflictError: The endpoint has too many.
    """
    if count >= MAX_TOKENS_PER_ENDPOINT:
        raise ConflictError(f"the endpoint has {count} tokens, the most there can be; delete some first")


def refuse_duplicate(existing: EndpointToken) -> ConflictError:
    """Why the value of ``existing`` cannot be given to a new token."""
    if existing.status is TokenStatus.REVOKED:
        return ConflictError("this token was revoked and cannot come back; use another value")
    if existing.phase is Phase.UNCONFIRMED:
        return ConflictError("this token is just being created by another request")
    return ConflictError(f"this token is already in use in application {existing.application!r}")
