"""SenML devices of KPN Things over MQTT (protocol/senml.md): the secret at CONNECT, packs on ``things/v1``.

A user name that is a SenML base name makes a connection a device's: its password is checked before the
CONNECT is accepted and not kept. What was let in with a secret that is revoked, or may have been, is ended;
the device connects again and is asked again.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final, Protocol

import msgspec

from libs.bus.device_secrets import DeviceSecrets, VerifiedDevice
from libs.bus.seen import SeenReporter
from libs.bus.token_buckets import TokenBuckets
from libs.contracts.errors import (
    BadRequestError,
    ForbiddenError,
    GroveError,
    NotFoundError,
    PayloadTooLargeError,
)
from libs.contracts.ingest import SENML_RESOURCE, IngestMessage
from libs.contracts.instants import unix_ms
from libs.contracts.senml import MAX_PACK_BYTES, decode_pack, device_of, resolve_uplink
from libs.contracts.senml.devices import device_named
from libs.contracts.senml_credentials import SenmlCredentialRevokedEvent
from libs.mqtt import PublishReceived, ReasonCode
from services.mqtt_transport.ports import TelemetryChannel
from services.mqtt_transport.usecases.gathering import Gathering

PREFIX: Final = "things/"
"""How topics of SenML devices begin."""

_MS: Final = 1000
_encode = msgspec.json.encode


class Client(Protocol):
    """A connection that was let in as a device's."""

    def end(self, reason: ReasonCode) -> None:
        """Say goodbye."""


class Things:
    """Lets SenML devices in and takes their packs."""

    def __init__(
        self,
        secrets: DeviceSecrets,
        gathering: Gathering,
        seen: SeenReporter,
        buckets: TokenBuckets,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._secrets = secrets
        self._gathering = gathering
        self._seen = seen
        self._buckets = buckets
        self._now = now
        self._let_in: dict[Client, VerifiedDevice] = {}
        secrets.on_revoked(self._revoked)

    @staticmethod
    def are_meant_by(username: str | None) -> bool:
        """Tell whether a user name is a SenML base name; any other is accepted and ignored."""
        try:
            device_named(username)
        except BadRequestError:
            return False
        return True

    async def log_in(self, client: Client, username: str, password: bytes | None) -> ReasonCode:
        """Check a device's secret; returns how its CONNECT is answered."""
        try:
            secret = (password or b"").decode()
            self._let_in[client] = await self._secrets.log_in(device_named(username), secret)
        except (UnicodeDecodeError, NotFoundError, ForbiddenError):
            return ReasonCode.BAD_USER_NAME_OR_PASSWORD
        except GroveError:
            return ReasonCode.SERVER_UNAVAILABLE
        return ReasonCode.SUCCESS

    def leave(self, client: Client) -> None:
        """Forget a connection that is gone."""
        self._let_in.pop(client, None)

    async def take(
        self,
        channel: TelemetryChannel,
        client: Client,
        message: PublishReceived,
        *,
        held: int,
        deadline: float,
    ) -> None:
        """Take a pack; it is acknowledged with its batch.

        Raises:
            ForbiddenError: The connection is not that of the device in the topic.
            NotFoundError: There is no such topic.
            BadRequestError: The pack is no SenML, or names another device.
            PayloadTooLargeError: More than 64 KiB.
            TooManyRequestsError: Its endpoint is over its rate until ``deadline`` of the loop's clock.
        """
        device = self._let_in.get(client)
        if device is None:
            raise ForbiddenError("connect with the device's base name and secret first")
        if message.topic != f"{PREFIX}v1/{device.dvn_uuid}/up":
            raise NotFoundError(f"this device publishes to {PREFIX}v1/{device.dvn_uuid}/up")
        if len(message.payload) > MAX_PACK_BYTES:
            raise PayloadTooLargeError(f"a pack has at most {MAX_PACK_BYTES} bytes")
        pack = decode_pack(message.payload)
        if device_of(pack) != device.dvn_uuid:
            raise BadRequestError("the pack names another device")
        now_ms = unix_ms(self._now())
        records = resolve_uplink(pack, dvn_uuid=device.dvn_uuid, now=now_ms / _MS)
        self._seen.note(device.endpoint_id, device.app_version_name)
        waited = await self._buckets.admit(device.endpoint_id, len(records), by=deadline)
        if waited and self._let_in.get(client) is not device:
            raise ForbiddenError("the device's secret is no longer valid")
        stored = IngestMessage(
            device.endpoint_id, device.app_version_name, SENML_RESOURCE, _encode(records), now_ms
        )
        self._gathering.put(channel, message, stored, samples=len(records), held=held)

    def cut(self) -> None:
        """End all of them: a revocation may have been missed."""
        self._end(list(self._let_in))

    def _revoked(self, event: SenmlCredentialRevokedEvent) -> None:
        revoked = set(event.credential_ids)
        self._end(
            [
                client
                for client, device in self._let_in.items()
                if device.dvn_uuid == event.dvn_uuid and (not revoked or device.credential_id in revoked)
            ]
        )

    def _end(self, clients: list[Client]) -> None:
        for client in clients:
            self._let_in.pop(client, None)
            client.end(ReasonCode.NOT_AUTHORIZED)
