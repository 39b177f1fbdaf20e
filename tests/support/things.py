"""A SenML device of KPN Things, and what others know of it: its secret, and the stream its packs go to."""

import json

from libs.bus import Bus
from libs.contracts.applications import EmptyReply
from libs.contracts.errors import NotFoundError
from libs.contracts.senml_credentials import (
    ACTIVATE_DEVICE_SECRET,
    DEVICE_SECRETS,
    SENML_CREDENTIAL_REVOKED,
    ActivateDeviceSecret,
    DeviceSecret,
    DeviceSecretsReply,
    DeviceSecretsRequest,
    SenmlCredentialRevokedEvent,
)
from libs.contracts.tokens import TokenStatus
from tests.support.collector import Collector
from tests.support.owners import APPLICATION, VERSION

DVN = "7c7b9dd4-4d33-4b40-a5a3-6e4ae6a8a1bf"
SECRET = "s" * 40


def pack(*records: dict[str, object], device: str = DVN) -> bytes:
    """Make a pack of a device."""
    first, *rest = records
    return json.dumps([{"bn": f"urn:dev:DVNUUID:{device}:", **first}, *rest]).encode()


class Others:
    """data-collection's stream, and credential-manager's knowledge of one SenML device."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.collector = Collector(bus)
        self.secrets: tuple[DeviceSecret, ...] = (
            DeviceSecret(credential_id="c1", secret=SECRET, status=TokenStatus.ACTIVE),
        )

    async def serve(self) -> None:
        subject = DEVICE_SECRETS.subject(self.bus.subjects)
        await self.bus.serve(subject, DeviceSecretsRequest, self._secrets, queue="credential-manager")
        subject = ACTIVATE_DEVICE_SECRET.subject(self.bus.subjects)
        await self.bus.serve(subject, ActivateDeviceSecret, self._activate, queue="credential-manager")

    async def _secrets(self, request: DeviceSecretsRequest) -> DeviceSecretsReply:
        if request.dvn_uuid != DVN:
            raise NotFoundError("unknown device")
        return DeviceSecretsReply(
            endpoint_id="tree", application_name=APPLICATION, app_version_name=VERSION, secrets=self.secrets
        )

    async def _activate(self, _: ActivateDeviceSecret) -> EmptyReply:
        return EmptyReply()

    async def revoke(self) -> None:
        """Revoke the device's secret, and tell everybody as credential-manager does."""
        self.secrets = ()
        event = SenmlCredentialRevokedEvent(
            app_name=APPLICATION, endpoint_id="tree", dvn_uuid=DVN, credential_ids=("c1",)
        )
        await self.bus.broadcast(SENML_CREDENTIAL_REVOKED.subject(self.bus.subjects), event)
