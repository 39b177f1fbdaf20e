"""Who sends this SenML pack: the cache of devices' secrets that every transport keeps.

A message of a device is proved with a secret, so a transport has to know it; credential-manager tells
it the accepted ones of one device at a time. They stay in memory for at most a minute: they are not used
beyond 55 s and are erased within 5 s more, whether the device is heard again or not.

As with tokens (:mod:`libs.bus.identity`, delivery rule 17) an answer is wrong from the moment its event
was sent. Events of credentials name the device, which is the key here: they take back its answer,
refusals included, and repeat its lookup where one is on its way. A move to another version names the
endpoint. Whatever may have been missed empties the cache.

The first use of a secret is told to credential-manager before the message is accepted, so that it is
Active when the sender hears of it, and cannot be accepted once it was revoked meanwhile.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

from msgspec import Struct
from prometheus_client import Counter

from libs.bus.cache import MAX_REPEATS, LookupCache
from libs.bus.concerned import Concerned
from libs.bus.identity import IdentityBus
from libs.contracts.errors import ForbiddenError, GroveError, NotFoundError, UnavailableError
from libs.contracts.lifecycle import APP_VERSION_UPDATED, AppVersionUpdatedEvent
from libs.contracts.senml import DvnUuid, same_secret, signing_secret
from libs.contracts.senml_credentials import (
    ACTIVATE_DEVICE_SECRET,
    DEVICE_SECRETS,
    SENML_CREDENTIAL_REVOKED,
    SENML_CREDENTIAL_STATUS_CHANGED,
    ActivateDeviceSecret,
    DeviceSecretsReply,
    DeviceSecretsRequest,
    SenmlCredentialRevokedEvent,
    SenmlCredentialStatusChangedEvent,
)
from libs.contracts.tokens import ACCEPTED, TokenStatus

MAX_DEVICES: Final = 50_000
"""Devices remembered; 60 MB when full. A fleet larger than this asks again more often."""

USED_FOR_S: Final = 55.0
ERASED_EVERY_S: Final = 5.0
"""Together the 60 s for which a secret may be in memory."""

_NOT_VERIFIED: Final = "the device could not be verified"

_ASKED = Counter("grove_device_secrets_asked_total", "Messages and logins of SenML devices to verify.")
_LOOKUPS = Counter(
    "grove_device_secrets_lookups_total", "SenML devices that memory did not know.", ["status"]
)

OnRevoked: TypeAlias = Callable[[SenmlCredentialRevokedEvent], None]
_FirstUse: TypeAlias = tuple[DvnUuid, str]


class VerifiedDevice(Struct, frozen=True):
    """Who sent a message, proved.

    Attributes:
        dvn_uuid: The device.
        endpoint_id: Whom its measurements belong to.
        application_name: Where that belongs.
        app_version_name: The version the endpoint is at.
        credential_id: The credential it was proved with.
    """

    dvn_uuid: DvnUuid
    endpoint_id: str
    application_name: str
    app_version_name: str
    credential_id: str


class DeviceSecrets:
    """Verifies SenML devices, from memory or by asking credential-manager.

    Attributes:
        epoch: Changes whenever an answer given earlier may no longer hold; who acts on an answer
            later than it was given compares this, and asks again if it has changed.
    """

    def __init__(
        self,
        bus: IdentityBus,
        *,
        clock: Callable[[], float] = time.monotonic,
        max_entries: int = MAX_DEVICES,
        timeout_s: float = 5.0,
        erased_every_s: float = ERASED_EVERY_S,
    ) -> None:
        """Ask over ``bus``, each question for at most ``timeout_s``; call :meth:`start` before use."""
        self.epoch = 0
        self._bus = bus
        self._timeout_s = timeout_s
        self._erased_every_s = erased_every_s
        self._devices: LookupCache[DvnUuid, DeviceSecretsReply] = LookupCache(
            self._load, max_entries=max_entries, ttl_s=USED_FOR_S, clock=clock
        )
        self._first_uses: LookupCache[_FirstUse, None] = LookupCache(
            self._tell_first_use, max_entries=max_entries, ttl_s=USED_FOR_S, clock=clock
        )
        self._of_endpoint: Concerned[DvnUuid] = Concerned(self._devices.invalidate, max_keys=2 * max_entries)
        self._moved: list[set[str]] = []
        self._on_revoked: list[OnRevoked] = []
        self._erasing: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Hear what takes answers back; when this returns nothing can be missed unnoticed."""
        self._bus.on_cut(self.forget)
        subjects, listen = self._bus.subjects, self._bus.listen
        revoked, changed = SENML_CREDENTIAL_REVOKED, SENML_CREDENTIAL_STATUS_CHANGED
        await listen(revoked.subject(subjects), revoked.event, self._revoked)
        await listen(changed.subject(subjects), changed.event, self._status_changed)
        await listen(APP_VERSION_UPDATED.subject(subjects), APP_VERSION_UPDATED.event, self._version_moved)

    def on_revoked(self, callback: OnRevoked) -> None:
        """Call with each event of revoked secrets, after the cache has forgotten them.

        For ending connections that were let in with one. Events missed during a cut are not made up
        for: who holds something alive listens to ``Bus.on_cut`` too.
        """
        self._on_revoked.append(callback)

    async def verify(self, dvn_uuid: DvnUuid, body: bytes, token: str) -> VerifiedDevice:
        """Prove that a device sent ``body``, by its ``Things-Message-Token``.

        Raises:
            NotFoundError: The device is not known.
            ForbiddenError: The token was made with none of its accepted secrets.
            GroveError: The owner could not be asked.
        """
        _ASKED.inc()
        device = await self._devices.get(dvn_uuid)
        found = signing_secret(body, token, [one.secret for one in device.secrets])
        return await self._let_in(dvn_uuid, device, found)

    async def log_in(self, dvn_uuid: DvnUuid, password: str) -> VerifiedDevice:
        """Let a device in by its secret itself (MQTT).

        Raises:
            NotFoundError: The device is not known.
            ForbiddenError: The password is none of its accepted secrets.
            GroveError: The owner could not be asked.
        """
        _ASKED.inc()
        device = await self._devices.get(dvn_uuid)
        found = same_secret(password, [one.secret for one in device.secrets])
        return await self._let_in(dvn_uuid, device, found)

    def forget(self) -> None:
        """Forget everything: events may have been missed."""
        self.epoch += 1
        self._devices.clear()
        self._first_uses.clear()
        self._of_endpoint.clear()

    async def _let_in(
        self, dvn_uuid: DvnUuid, device: DeviceSecretsReply, found: int | None
    ) -> VerifiedDevice:
        if found is None:
            raise ForbiddenError(_NOT_VERIFIED)
        secret = device.secrets[found]
        if secret.status is TokenStatus.INACTIVE:
            try:
                await self._first_uses.get((dvn_uuid, secret.credential_id))
            except (ForbiddenError, NotFoundError):
                self._devices.invalidate(dvn_uuid)
                raise ForbiddenError(_NOT_VERIFIED) from None
        return VerifiedDevice(
            dvn_uuid=dvn_uuid,
            endpoint_id=device.endpoint_id,
            application_name=device.application_name,
            app_version_name=device.app_version_name,
            credential_id=secret.credential_id,
        )

    async def _load(self, dvn_uuid: DvnUuid) -> DeviceSecretsReply:
        with self._watching() as moved:
            for _ in range(MAX_REPEATS):
                moved.clear()
                device = await self._look_up(dvn_uuid)
                if device.endpoint_id not in moved:
                    self._of_endpoint.add(device.endpoint_id, dvn_uuid)
                    self._erase_later()
                    return device
        raise UnavailableError("the device's endpoint changes too often")

    async def _look_up(self, dvn_uuid: DvnUuid) -> DeviceSecretsReply:
        subject = DEVICE_SECRETS.subject(self._bus.subjects)
        message = DeviceSecretsRequest(dvn_uuid=dvn_uuid)
        status = "200"
        try:
            return await self._bus.request(subject, message, DEVICE_SECRETS.reply, timeout_s=self._timeout_s)
        except GroveError as error:
            status = str(error.status_code)
            raise
        finally:
            _LOOKUPS.labels(status).inc()

    async def _tell_first_use(self, use: _FirstUse) -> None:
        dvn_uuid, credential_id = use
        subject = ACTIVATE_DEVICE_SECRET.subject(self._bus.subjects)
        message = ActivateDeviceSecret(dvn_uuid=dvn_uuid, credential_id=credential_id)
        await self._bus.request(subject, message, ACTIVATE_DEVICE_SECRET.reply, timeout_s=self._timeout_s)

    def _revoked(self, event: SenmlCredentialRevokedEvent) -> None:
        self.epoch += 1
        self._forget_device(event)
        for callback in self._on_revoked:
            callback(event)

    def _status_changed(self, event: SenmlCredentialStatusChangedEvent) -> None:
        # What became accepted makes refusals wrong, and that it is Active is worth knowing as well.
        if event.status not in ACCEPTED:
            self.epoch += 1
        self._forget_device(event)

    def _forget_device(self, event: SenmlCredentialRevokedEvent | SenmlCredentialStatusChangedEvent) -> None:
        dvn_uuid = DvnUuid(event.dvn_uuid)
        self._devices.invalidate(dvn_uuid)
        for credential_id in event.credential_ids:
            self._first_uses.invalidate((dvn_uuid, credential_id))

    def _version_moved(self, event: AppVersionUpdatedEvent) -> None:
        self.epoch += 1
        self._of_endpoint.forget(event.endpoint_id)
        for moved in self._moved:
            moved.add(event.endpoint_id)

    @contextmanager
    def _watching(self) -> Iterator[set[str]]:
        """Gather the endpoints that move while one lookup is on its way."""
        moved: set[str] = set()
        self._moved.append(moved)
        try:
            yield moved
        finally:
            self._moved = [one for one in self._moved if one is not moved]

    def _erase_later(self) -> None:
        if self._erasing is None:
            self._erasing = asyncio.get_running_loop().call_later(self._erased_every_s, self._erase)

    def _erase(self) -> None:
        self._erasing = None
        self._devices.drop_expired()
        self._first_uses.drop_expired()
        if len(self._devices):
            self._erase_later()
