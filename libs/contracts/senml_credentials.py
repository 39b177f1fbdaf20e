"""SenML devices and their shared secrets: as operators manage them, and as transports verify with them.

A device is named by its ``dvnUuid`` and belongs to one endpoint. It may have several secrets, so that
they can be rotated without a gap; each is a credential with the four states of any other. Unlike a
token a secret cannot be stored as a hash, because the proof is computed with it: it is kept encrypted,
and told to transports only, one device at a time, while it is accepted.

Both events name the device: whoever remembers its secrets forgets all of them.
"""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from libs.contracts.applications import EmptyReply
from libs.contracts.credentials import TokenStatusChange
from libs.contracts.messages import Event, ManagementRequest, Reply, Request
from libs.contracts.subjects import EventType, Operation
from libs.contracts.tokens import TokenStatus


class SenmlCredential(Struct, rename="camel", frozen=True):
    """A device's secret without its value. Dates are ISO 8601 UTC."""

    credential_id: str
    endpoint_id: str
    dvn_uuid: str
    application_name: str
    status: TokenStatus
    created_date: str
    update_date: str | UnsetType = UNSET


class SenmlCredentialPage(Struct, rename="camel", frozen=True):
    """A page of an endpoint's SenML credentials."""

    content: list[SenmlCredential]
    total_elements: int


class NewSenmlCredential(Struct, rename="camel", frozen=True):
    """What gives a device its first secret or one more.

    Attributes:
        endpoint_id: The endpoint that the device's measurements belong to.
        dvn_uuid: The device, a UUID; it belongs to one endpoint.
        shared_secret: The secret, `^[0-9a-zA-Z]{30,100}$`; it is never told again.
    """

    endpoint_id: str
    dvn_uuid: str
    shared_secret: str

    def __repr__(self) -> str:
        return f"NewSenmlCredential(endpoint_id={self.endpoint_id!r}, dvn_uuid={self.dvn_uuid!r})"


class CreateSenmlCredential(ManagementRequest, frozen=True, kw_only=True):
    """Make a device known by its first secret, or give it one more."""

    body: NewSenmlCredential


class ListSenmlCredentials(ManagementRequest, frozen=True, kw_only=True):
    """A page of an endpoint's credentials, newest first unless ``order`` is ASC."""

    endpoint_id: str
    status: tuple[TokenStatus, ...] = ()
    order: Literal["ASC", "DESC"] = "DESC"
    offset: int = 0
    limit: int = 20


class GetSenmlCredential(ManagementRequest, frozen=True, kw_only=True):
    """One credential."""

    credential_id: str
    if_none_match: str | None = None


class SetSenmlCredentialStatus(ManagementRequest, frozen=True, kw_only=True):
    """Move a credential to another state; the same state again changes nothing."""

    credential_id: str
    body: TokenStatusChange
    if_match: str | None = None


class DeleteSenmlCredential(ManagementRequest, frozen=True, kw_only=True):
    """Forget a credential; its secret is refused from then on."""

    credential_id: str
    if_match: str | None = None


class SenmlCredentialReply(Reply, frozen=True, kw_only=True):
    """One credential; 304 when If-None-Match holds."""

    body: SenmlCredential | None = None
    e_tag: str = ""


class CreatedSenmlCredentialReply(Reply, frozen=True, kw_only=True):
    """The new credential."""

    body: SenmlCredential


class SenmlCredentialPageReply(Reply, frozen=True, kw_only=True):
    """A page."""

    body: SenmlCredentialPage


class DeviceSecretsRequest(Request, frozen=True, kw_only=True):
    """Ask for what a transport needs to verify a device."""

    dvn_uuid: str


class DeviceSecret(Struct, rename="camel", frozen=True):
    """A secret that is accepted; nobody logs or keeps it for more than 60 s.

    Attributes:
        credential_id: Names it.
        secret: Its value.
        status: Inactive or Active; of an Inactive one the first use has to be told.
    """

    credential_id: str
    secret: str
    status: TokenStatus

    def __repr__(self) -> str:
        return f"DeviceSecret(credential_id={self.credential_id!r}, status={self.status!r})"


class DeviceSecretsReply(Reply, frozen=True, kw_only=True):
    """The device; 404 when it is not known.

    Attributes:
        endpoint_id: Whom it belongs to.
        application_name: Where that belongs.
        app_version_name: The version the endpoint is at.
        secrets: Those that are accepted; none when all are suspended or revoked.
    """

    endpoint_id: str = ""
    application_name: str = ""
    app_version_name: str = ""
    secrets: tuple[DeviceSecret, ...] = ()


class ActivateDeviceSecret(Request, frozen=True, kw_only=True):
    """Tell the first use of a secret: Inactive becomes Active, anything else stays as it is.

    403 when it was suspended or revoked meanwhile, 404 when it is gone. It can only ever move an
    Inactive one, so a transport that was broken into cannot reactivate what was suspended.
    """

    dvn_uuid: str
    credential_id: str


class SenmlCredentialRevokedEvent(Event, frozen=True, kw_only=True):
    """Secrets of a device stopped being accepted: suspended, revoked or deleted.

    Attributes:
        app_name: Application of the endpoint.
        endpoint_id: Whom the device belongs to.
        dvn_uuid: The device.
        credential_ids: The credentials concerned.
    """

    app_name: str
    endpoint_id: str
    dvn_uuid: str
    credential_ids: tuple[str, ...] = ()


class SenmlCredentialStatusChangedEvent(Event, frozen=True, kw_only=True):
    """A device's secret was added, moved to another state or deleted.

    Attributes:
        app_name: Application of the endpoint.
        endpoint_id: Whom the device belongs to.
        dvn_uuid: The device.
        credential_ids: The credentials concerned.
        status: The new state; None = deleted.
    """

    app_name: str
    endpoint_id: str
    dvn_uuid: str
    credential_ids: tuple[str, ...] = ()
    status: TokenStatus | None = None


_OWNER = "credential-manager"
_PROTOCOL = "senml-credentials"

CREATE_SENML_CREDENTIAL = Operation(
    _OWNER,
    _PROTOCOL,
    "create",
    CreateSenmlCredential,
    CreatedSenmlCredentialReply,
    "Give a SenML device a secret.",
)
LIST_SENML_CREDENTIALS = Operation(
    _OWNER,
    _PROTOCOL,
    "list",
    ListSenmlCredentials,
    SenmlCredentialPageReply,
    "List an endpoint's SenML credentials.",
)
GET_SENML_CREDENTIAL = Operation(
    _OWNER, _PROTOCOL, "get", GetSenmlCredential, SenmlCredentialReply, "Read a SenML credential."
)
SET_SENML_CREDENTIAL_STATUS = Operation(
    _OWNER,
    _PROTOCOL,
    "set-status",
    SetSenmlCredentialStatus,
    EmptyReply,
    "Move a SenML credential to another state.",
)
DELETE_SENML_CREDENTIAL = Operation(
    _OWNER, _PROTOCOL, "delete", DeleteSenmlCredential, EmptyReply, "Forget a SenML credential."
)
DEVICE_SECRETS = Operation(
    _OWNER,
    _PROTOCOL,
    "device-secrets",
    DeviceSecretsRequest,
    DeviceSecretsReply,
    "Whose device is this, and what secrets verify it.",
)
ACTIVATE_DEVICE_SECRET = Operation(
    _OWNER,
    _PROTOCOL,
    "activate",
    ActivateDeviceSecret,
    EmptyReply,
    "A device used a secret for the first time.",
)
SENML_CREDENTIAL_REVOKED = EventType(
    originator=_OWNER,
    entity="endpoint",
    group="senml-credential",
    name="revoked",
    event=SenmlCredentialRevokedEvent,
    summary="Secrets of a SenML device are no longer accepted: suspended, revoked or deleted.",
)
SENML_CREDENTIAL_STATUS_CHANGED = EventType(
    originator=_OWNER,
    entity="endpoint",
    group="senml-credential",
    name="status-changed",
    event=SenmlCredentialStatusChangedEvent,
    summary="A secret of a SenML device was added, moved to another state or deleted.",
)
