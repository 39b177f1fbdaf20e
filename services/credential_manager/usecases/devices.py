"""Whose SenML device is this, and with what is it verified: asked by transports.

They verify themselves, since the proof covers every message: what they are told is what they may keep
for a minute. They tell the first use of a secret, which makes it Active; that change takes nothing away
from anybody and is told in the background.
"""

from dataclasses import dataclass

import structlog

from libs.contracts.errors import NotFoundError
from libs.contracts.senml import check_dvn_uuid
from libs.contracts.senml_credentials import ActivateDeviceSecret, DeviceSecretsRequest
from libs.contracts.tokens import TokenStatus
from services.credential_manager.domain import Phase, SenmlCredential, UnreadableSecretError
from services.credential_manager.ports import Parts, RegisteredEndpoint
from services.credential_manager.usecases.changing import change, new_change

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Device:
    """A device as a transport needs it: its endpoint, and the secrets that are accepted."""

    credential: SenmlCredential
    endpoint: RegisteredEndpoint
    secrets: tuple[tuple[SenmlCredential, str], ...]

    def __repr__(self) -> str:
        return f"Device({self.credential.dvn_uuid})"


async def find_device(request: DeviceSecretsRequest, *, parts: Parts) -> Device:
    """Open the secrets of one device.

    Raises:
        BadRequestError: It is no UUID.
        NotFoundError: There is no such device, or its endpoint is being created or deleted.
        UnavailableError: endpoint-register cannot be asked now.
    """
    found = await parts.senml.of_device(check_dvn_uuid(request.dvn_uuid))
    live = [one for one in found if one.phase is Phase.LIVE]
    if not live:
        raise NotFoundError("there is no such device")
    try:
        endpoint = await parts.endpoints.find(live[0].endpoint_id, allowed=None)
    except NotFoundError:
        raise NotFoundError("there is no such device") from None
    own = [
        one for one in live if one.endpoint_id == live[0].endpoint_id and one.may_be_of(endpoint.incarnation)
    ]
    if not own:
        raise NotFoundError("there is no such device")
    opened = ((one, _opened(one, parts=parts)) for one in own if one.accepted)
    secrets = tuple((one, secret) for one, secret in opened if secret is not None)
    return Device(own[0], endpoint, secrets)


async def activate_device_secret(cmd: ActivateDeviceSecret, *, parts: Parts) -> None:
    """Make a secret Active if this is its first use.

    Raises:
        NotFoundError: The device has no such secret (any more).
        ForbiddenError: It was suspended or revoked meanwhile.
    """

    async def find() -> SenmlCredential:
        credential = await parts.senml.find(cmd.credential_id)
        if (
            credential is None
            or credential.phase is not Phase.LIVE
            or credential.dvn_uuid != check_dvn_uuid(cmd.dvn_uuid)
        ):
            raise NotFoundError("the device has no such SenML credential")
        credential.check_accepted()
        return credential

    async def activate(credential: SenmlCredential) -> SenmlCredential | None:
        return credential.moved(TokenStatus.ACTIVE, new_change(parts, told_by_us=False))

    await change(find, activate, parts.senml.replace)
    parts.announcing.tell_later()


def _opened(credential: SenmlCredential, *, parts: Parts) -> str | None:
    """Open one secret; one that cannot be, because the key is another, is as good as none."""
    try:
        return parts.secrets.open(
            credential.sealed, dvn_uuid=credential.dvn_uuid, credential_id=credential.id
        )
    except UnreadableSecretError:
        _log.error("senml_credential_unreadable", credential_id=credential.id)
        return None
