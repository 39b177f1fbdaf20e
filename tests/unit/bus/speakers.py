"""The bus as identity and front door see it, in memory; the test changes its answers and holds them back."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from libs.bus.requests import Check, always
from libs.contracts.applications import EmptyReply
from libs.contracts.ecap import (
    TOKEN_REVOKED,
    TOKEN_STATUS_CHANGED,
    EndpointTokenRevokedEvent,
    EndpointTokenStatusChangedEvent,
    EndpointTokensValidationRequest,
    EndpointTokensValidationResponse,
    TokenClaim,
    TokenHolder,
)
from libs.contracts.errors import GroveError, NotFoundError, UnauthorizedError
from libs.contracts.esp import ClientData, ExtensionData
from libs.contracts.lifecycle import (
    CONFIGURATION_UPSERTED,
    AppVersionRequest,
    AppVersionResponse,
    ConfigurationUpdatedEvent,
)
from libs.contracts.messages import EventT, ReplyT, Request
from libs.contracts.senml_credentials import ActivateDeviceSecret, DeviceSecretsReply, DeviceSecretsRequest
from libs.contracts.subjects import EventType, Subjects
from libs.contracts.tokens import TokenStatus


class InMemoryBus:
    """Owners of versions, tokens and extensions, and their events.

    Attributes:
        versions: Extensions each version allows; None = all.
        tokens: Endpoint of (application, token), or the error it is refused with.
        devices: Secrets of each SenML device, or the error its lookup ends in.
        first_use: What telling a first use ends in.
        asked: Requests that reached an owner, by message type, and under ``token`` the tokens asked about.
        meanwhile: Called with each request, when the answer is decided and not yet given.
        before_sending: Called when a device's request waited for its owner, who now is there.
        release: Owners answer only while it is set.
    """

    def __init__(self) -> None:
        self.subjects = Subjects()
        self.versions: dict[str, tuple[str, ...] | None] = {"grove-v1": None}
        self.tokens: dict[tuple[str, str], str | GroveError] = {("grove", "token"): "ep"}
        self.devices: dict[str, DeviceSecretsReply | GroveError] = {}
        self.first_use: EmptyReply | GroveError = EmptyReply(status_code=204)
        self.asked: Counter[str] = Counter()
        self.received: list[ClientData] = []
        self.release = asyncio.Event()
        self.release.set()
        self.meanwhile: Callable[[], None] = lambda: None
        self.before_sending: Callable[[], None] = lambda: None
        self.extension_error: Exception | None = None
        self._handlers: dict[str, Callable[[Any], None]] = {}
        self._on_cut: list[Callable[[], None]] = []

    async def request(
        self,
        subject: str,
        message: Request,
        reply_type: type[ReplyT],
        *,
        timeout_s: float = 5.0,
        check: Check = always,
    ) -> ReplyT:
        if isinstance(message, ClientData):
            self.before_sending()
        await check()
        self.asked[type(message).__name__] += 1
        try:
            answer: object = self._answer(message)
        except GroveError as error:
            answer = error
        self.meanwhile()
        await self.release.wait()
        if isinstance(answer, GroveError):
            raise answer
        assert isinstance(answer, reply_type)
        return answer

    async def listen(self, subject: str, event_type: type[EventT], handler: Callable[[EventT], None]) -> None:
        self._handlers[subject] = handler

    def on_cut(self, callback: Callable[[], None]) -> None:
        self._on_cut.append(callback)

    def cut(self) -> None:
        for callback in self._on_cut:
            callback()

    def tell(self, kind: EventType[EventT], event: EventT) -> None:
        """Say that something has happened."""
        self._handlers[kind.subject(self.subjects)](event)

    def move(self, endpoint_id: str, status: TokenStatus | None, *, application: str = "grove") -> None:
        """Say that a token of an endpoint changed its state."""
        event = EndpointTokenStatusChangedEvent(app_name=application, endpoint_id=endpoint_id, status=status)
        self._handlers[TOKEN_STATUS_CHANGED.subject(self.subjects)](event)

    def revoke(self, endpoint_id: str, *, application: str = "grove") -> None:
        """Say that tokens of an endpoint are no longer accepted."""
        event = EndpointTokenRevokedEvent(app_name=application, endpoint_id=endpoint_id)
        self._handlers[TOKEN_REVOKED.subject(self.subjects)](event)

    def configure(self, application: str, version: str | None = None) -> None:
        """Say that an application or a version changed."""
        event = ConfigurationUpdatedEvent(app_name=application, app_ver_name=version)
        self._handlers[CONFIGURATION_UPSERTED.subject(self.subjects)](event)

    def _answer(self, message: Request) -> object:
        match message:
            case AppVersionRequest(app_version_name=name):
                if name not in self.versions:
                    raise NotFoundError("unknown application version")
                return AppVersionResponse(
                    application_name=name.rpartition("-")[0], extensions=self.versions[name]
                )
            case EndpointTokensValidationRequest(tokens=claims):
                self.asked["token"] += len(claims)
                return EndpointTokensValidationResponse(holders=tuple(map(self._holder, claims)))
            case DeviceSecretsRequest() | ActivateDeviceSecret():
                return self._answer_about_device(message)
            case ClientData():
                self.received.append(message)
                if self.extension_error is not None:
                    raise self.extension_error
                return ExtensionData(payload=message.payload)
            case _:
                raise AssertionError(message)

    def _holder(self, claim: TokenClaim) -> TokenHolder:
        holder = self.tokens.get((claim.app_name, claim.token), UnauthorizedError("unknown token"))
        if isinstance(holder, GroveError):
            return TokenHolder(status_code=holder.status_code, reason_phrase=holder.reason_phrase)
        return TokenHolder(token_id="t", endpoint_id=holder)

    def _answer_about_device(self, message: DeviceSecretsRequest | ActivateDeviceSecret) -> object:
        if isinstance(message, ActivateDeviceSecret):
            return self.first_use
        return self.devices.get(message.dvn_uuid, NotFoundError("there is no such device"))


async def settle() -> None:
    """Let everything that can go on go on."""
    for _ in range(20):
        await asyncio.sleep(0)
