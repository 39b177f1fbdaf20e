"""What is asked of SenML credentials, each in one line."""

from typing import Any

from libs.contracts.credentials import TokenStatusChange
from libs.contracts.senml import DvnUuid
from libs.contracts.senml_credentials import (
    ActivateDeviceSecret,
    CreateSenmlCredential,
    DeleteSenmlCredential,
    DeviceSecretsRequest,
    GetSenmlCredential,
    ListSenmlCredentials,
    NewSenmlCredential,
    SetSenmlCredentialStatus,
)
from libs.contracts.tokens import TokenStatus
from services.credential_manager.domain import SenmlCredential
from services.credential_manager.ports import Parts
from services.credential_manager.usecases import devices, senml
from tests.support.credential_manager import ENDPOINT

DEVICE = DvnUuid("3f0e1c52-7c3f-4a0e-9d3b-2b0c1a4f5e66")
SECRET = "0123456789abcdefghijABCDEFGHIJ"


def secret_number(number: int) -> str:
    """One of many secrets."""
    return f"secret{number:030}"


async def create(
    parts: Parts,
    secret: str = SECRET,
    *,
    endpoint_id: str = ENDPOINT,
    dvn_uuid: str = DEVICE,
    **fields: Any,  # noqa: ANN401 - fields of the Struct
) -> SenmlCredential:
    body = NewSenmlCredential(endpoint_id=endpoint_id, dvn_uuid=dvn_uuid, shared_secret=secret)
    return await senml.create_senml_credential(CreateSenmlCredential(body=body, **fields), parts=parts)


async def move(parts: Parts, one: SenmlCredential, status: TokenStatus, **fields: Any) -> None:  # noqa: ANN401 - fields of the Struct
    given = {"credential_id": one.id, **fields}
    cmd = SetSenmlCredentialStatus(body=TokenStatusChange(status=status), **given)
    await senml.set_senml_credential_status(cmd, parts=parts)


async def delete(parts: Parts, one: SenmlCredential, **fields: Any) -> None:  # noqa: ANN401 - fields of the Struct
    given = {"credential_id": one.id, **fields}
    await senml.delete_senml_credential(DeleteSenmlCredential(**given), parts=parts)


async def listed(parts: Parts, **fields: Any) -> tuple[list[SenmlCredential], int]:  # noqa: ANN401 - fields of the Struct
    given = {"endpoint_id": ENDPOINT, **fields}
    return await senml.list_senml_credentials(ListSenmlCredentials(**given), parts=parts)


async def got(parts: Parts, one: SenmlCredential, **fields: Any) -> tuple[SenmlCredential | None, str]:  # noqa: ANN401 - fields of the Struct
    given = {"credential_id": one.id, **fields}
    return await senml.get_senml_credential(GetSenmlCredential(**given), parts=parts)


async def device(parts: Parts, dvn_uuid: str = DEVICE) -> devices.Device:
    return await devices.find_device(DeviceSecretsRequest(dvn_uuid=dvn_uuid), parts=parts)


async def secrets_of(parts: Parts, dvn_uuid: str = DEVICE) -> list[str]:
    return [secret for _, secret in (await device(parts, dvn_uuid)).secrets]


async def activate(parts: Parts, one: SenmlCredential, dvn_uuid: str = DEVICE) -> None:
    cmd = ActivateDeviceSecret(dvn_uuid=dvn_uuid, credential_id=one.id)
    await devices.activate_device_secret(cmd, parts=parts)
