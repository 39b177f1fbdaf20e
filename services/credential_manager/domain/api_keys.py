"""API keys: what one may do, until when, and how the admin key is kept in step with its variable.

A key is *seeded* when ``GROVE_ADMIN_KEY`` is its value: that variable alone decides about it, which
is why REST cannot revoke it - nobody can lock everybody out.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from libs.contracts.api_keys import API_KEY_REVOKED, ApiKeyRevokedEvent, Scope
from libs.contracts.errors import BadRequestError, ConflictError, UnauthorizedError
from libs.contracts.ids import MAX_NAME_LENGTH, ApiKeyId, check_application_name
from services.credential_manager.domain.changes import Announcement, Change, Record

MAX_APPLICATIONS: Final = 100

SEEDED_NAME: Final = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey(Record):
    """A key of an operator; its value is nowhere in it.

    Attributes:
        id: Names the key.
        fingerprint: Hash of the value.
        name: For people.
        scope: What it may do.
        applications: The only ones it may touch; None = all.
        created_at: When it was created.
        expires_at: When it stops being accepted; None = never.
        revoked: Whether it was revoked.
        seeded: Whether it came from ``GROVE_ADMIN_KEY``.
    """

    id: ApiKeyId
    fingerprint: bytes = field(repr=False)
    name: str
    scope: Scope
    applications: tuple[str, ...] | None
    created_at: datetime
    expires_at: datetime | None
    revoked: bool
    seeded: bool

    @staticmethod
    def seed(key_id: ApiKeyId, *, fingerprint: bytes, change: Change) -> "ApiKey":
        """The key that ``GROVE_ADMIN_KEY`` names."""
        return ApiKey(
            id=key_id,
            revision=1,
            attempt=change.attempt,
            changed_at=change.at,
            announce_from=None,
            fingerprint=fingerprint,
            name=SEEDED_NAME,
            scope=Scope.ADMIN,
            applications=None,
            created_at=change.at,
            expires_at=None,
            revoked=False,
            seeded=True,
        )

    def check_accepted(self, now: datetime) -> None:
        """Let the holder in.

        Raises:
            UnauthorizedError: Revoked or expired; told in the same words as an unknown key.
        """
        if self.revoked or (self.expires_at is not None and self.expires_at <= now):
            raise refused_key()

    def check_revocable(self) -> None:
        """Allow REST to revoke it.

        Raises:
            ConflictError: Its life is decided elsewhere; the phrase says where.
        """
        if self.seeded and not self.revoked:
            raise ConflictError(
                "this key is GROVE_ADMIN_KEY; set the variable of credential-manager to another value, "
                "and the next start revokes this one"
            )

    def with_revocation(self, change: Change) -> "ApiKey":
        """Stop being accepted."""
        return replace(self._changed(change), revoked=True, announce_from=change.announce_from)

    def reinstated(self, change: Change) -> "ApiKey":
        """Be the seeded key again, because the variable has its former value again."""
        return replace(self._changed(change), revoked=False, announce_from=None)

    def announcements(self) -> tuple[Announcement, ...]:
        """Tell that it was revoked; everything else is seen within seconds without being told."""
        if not self.revoked:
            return ()
        event = ApiKeyRevokedEvent(api_key_id=self.id)
        return (Announcement(API_KEY_REVOKED, event, f"{self.id}-{self.revision}-{API_KEY_REVOKED.name}"),)

    def _changed(self, change: Change) -> "ApiKey":
        return replace(self, revision=self.revision + 1, attempt=change.attempt, changed_at=change.at)


def refused_key() -> UnauthorizedError:
    """One answer for unknown, revoked and expired: it tells nothing to whoever is guessing."""
    return UnauthorizedError("the API key is not valid")


def check_key_name(text: str) -> str:
    """Accept the name of a key.

    Raises:
        BadRequestError: It is blank, too long or not printable.
    """
    name = text.strip()
    if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable():
        raise BadRequestError(f"name must be 1 to {MAX_NAME_LENGTH} printable characters")
    return name


def check_applications(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Accept the limits of a key, without repetitions.

    Raises:
        BadRequestError: None at all, too many, or not names of applications.
    """
    if names is None:
        return None
    if not 1 <= len(names) <= MAX_APPLICATIONS:
        raise BadRequestError(
            f"applications must name 1 to {MAX_APPLICATIONS}; leave it out for a key that may touch all"
        )
    return tuple(dict.fromkeys(check_application_name(name) for name in names))


def parse_expiry(text: str | None, *, now: datetime) -> datetime | None:
    """Read ``expiryDate``; None = never.

    Raises:
        BadRequestError: It is no ISO 8601 instant with an offset, or has passed.
    """
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
        expires_at = None if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        expires_at = None
    if expires_at is None:
        raise BadRequestError("expiryDate must be ISO 8601 with an offset, such as 2030-01-31T12:00:00Z")
    if expires_at <= now:
        raise BadRequestError("expiryDate must lie in the future")
    return expires_at.replace(microsecond=expires_at.microsecond // 1000 * 1000)
