"""Endpoint tokens: credentials whose value is unique in an application and kept only as a hash."""

from dataclasses import dataclass

from libs.contracts.ecap import (
    TOKEN_REVOKED,
    TOKEN_STATUS_CHANGED,
    EndpointTokenRevokedEvent,
    EndpointTokenStatusChangedEvent,
)
from libs.contracts.errors import ConflictError, ForbiddenError
from libs.contracts.ids import ApplicationName, EndpointId, TokenId
from libs.contracts.tokens import ACCEPTED, TokenStatus
from services.credential_manager.domain.changes import Announcement, Change
from services.credential_manager.domain.credentials import Credential, Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointToken(Credential):
    """A token; its value is nowhere in it, and unique in its application.

    Attributes:
        id: Names the token without telling it.
    """

    id: TokenId

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
        changed = Announcement(
            TOKEN_STATUS_CHANGED,
            EndpointTokenStatusChangedEvent(
                app_name=self.application,
                endpoint_id=self.endpoint_id,
                token_ids=ids,
                status=None if self.phase is Phase.DELETED else self.status,
            ),
            f"{self.id}-{self.revision}-{TOKEN_STATUS_CHANGED.name}",
        )
        if self.accepted:
            return (changed,)
        refused = Announcement(
            TOKEN_REVOKED,
            EndpointTokenRevokedEvent(app_name=self.application, endpoint_id=self.endpoint_id, token_ids=ids),
            f"{self.id}-{self.revision}-{TOKEN_REVOKED.name}",
        )
        return (refused, changed)


def refuse_duplicate(existing: EndpointToken) -> ConflictError:
    """Why the value of ``existing`` cannot be given to a new token."""
    if existing.status is TokenStatus.REVOKED:
        return ConflictError("this token was revoked and cannot come back; use another value")
    if existing.phase is Phase.UNCONFIRMED:
        return ConflictError("this token is just being created by another request")
    return ConflictError(f"this token is already in use in application {existing.application!r}")
