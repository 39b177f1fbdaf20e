"""SenML credentials: the shared secrets of a device, which belongs to one endpoint.

The secret is kept encrypted as long as it may be accepted, and not a moment longer; its fingerprint
keeps a device from having one secret twice, since revoking one of them would leave the other valid.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final, Self

from libs.contracts.errors import ConflictError, ForbiddenError
from libs.contracts.ids import EndpointId
from libs.contracts.senml import DvnUuid
from libs.contracts.senml_credentials import (
    SENML_CREDENTIAL_REVOKED,
    SENML_CREDENTIAL_STATUS_CHANGED,
    SenmlCredentialRevokedEvent,
    SenmlCredentialStatusChangedEvent,
)
from libs.contracts.tokens import TokenStatus
from services.credential_manager.domain.changes import Announcement
from services.credential_manager.domain.credentials import Credential, Phase

MAX_SECRETS_PER_DEVICE: Final = 8
"""Not revoked; each costs every message of the device a hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SenmlCredential(Credential):
    """A secret of a device; a device has each value once.

    Attributes:
        dvn_uuid: The device.
        sealed: The secret, encrypted; empty once it is revoked or deleted.
    """

    dvn_uuid: DvnUuid
    sealed: bytes = field(repr=False)

    def without_secret(self) -> Self:
        """Drop the secret: it is not accepted ever again."""
        return replace(self, sealed=b"")

    def check_accepted(self) -> None:
        """Let the device in.

        Raises:
            ForbiddenError: The credential is suspended or revoked.
        """
        if not self.accepted:
            raise ForbiddenError(f"this SenML credential is {self.status.value.lower()}")

    def announcements(self) -> tuple[Announcement, ...]:
        """Tell that it is refused from now on, if so, then what became of it."""
        if self.phase is Phase.UNCONFIRMED:
            return ()
        ids = (self.id,)
        changed = Announcement(
            SENML_CREDENTIAL_STATUS_CHANGED,
            SenmlCredentialStatusChangedEvent(
                app_name=self.application,
                endpoint_id=self.endpoint_id,
                dvn_uuid=self.dvn_uuid,
                credential_ids=ids,
                status=None if self.phase is Phase.DELETED else self.status,
            ),
            f"{self.id}-{self.revision}-{SENML_CREDENTIAL_STATUS_CHANGED.name}",
        )
        if self.accepted:
            return (changed,)
        refused = Announcement(
            SENML_CREDENTIAL_REVOKED,
            SenmlCredentialRevokedEvent(
                app_name=self.application,
                endpoint_id=self.endpoint_id,
                dvn_uuid=self.dvn_uuid,
                credential_ids=ids,
            ),
            f"{self.id}-{self.revision}-{SENML_CREDENTIAL_REVOKED.name}",
        )
        return (refused, changed)


def check_device(others: Iterable[SenmlCredential], endpoint_id: EndpointId) -> None:
    """Let an endpoint have the device of these credentials, and one more secret for it.

    Raises:
        ConflictError: The device is another endpoint's, or has too many secrets.
    """
    existing = [one for one in others if one.phase is not Phase.DELETED]
    if any(one.endpoint_id != endpoint_id for one in existing):
        raise ConflictError("this dvnUuid belongs to another endpoint, or is just being given to one")
    valid = sum(one.phase is Phase.LIVE and one.status is not TokenStatus.REVOKED for one in existing)
    if valid >= MAX_SECRETS_PER_DEVICE:
        raise ConflictError(f"the device has {valid} secrets, the most there can be; revoke some first")


def refuse_second(existing: SenmlCredential) -> ConflictError:
    """Why a device cannot have the secret of ``existing`` once more."""
    if existing.phase is Phase.UNCONFIRMED or existing.status is not TokenStatus.REVOKED:
        return ConflictError("the device has this secret already")
    return ConflictError("this secret was revoked and cannot come back; use another one")
