"""The services behind a transport, as small fakes on the real bus, with the NATS users they really have."""

import asyncio
import secrets
from collections import Counter

from libs.bus import Bus
from libs.contracts.connectivity import (
    REPORT_ALIVE,
    REPORT_SEEN,
    AliveReply,
    AliveReport,
    SeenReply,
    SeenReport,
)
from libs.contracts.ecap import (
    TOKEN_REVOKED,
    TOKEN_STATUS_CHANGED,
    VALIDATE_TOKENS,
    EndpointTokenRevokedEvent,
    EndpointTokenStatusChangedEvent,
    EndpointTokensValidationRequest,
    EndpointTokensValidationResponse,
    TokenClaim,
    TokenHolder,
)
from libs.contracts.errors import (
    GroveError,
    NotFoundError,
    UnavailableError,
)
from libs.contracts.esp import EPMX, ClientData, ExtensionData
from libs.contracts.lifecycle import (
    CONFIGURATION_UPSERTED,
    RESOLVE_APP_VERSION,
    AppVersionRequest,
    AppVersionResponse,
    ConfigurationUpdatedEvent,
)
from libs.contracts.messages import Event
from libs.contracts.streams import events_stream
from libs.contracts.tokens import ACCEPTED, TokenStatus
from tests.support.waiting import eventually

APPLICATION = "grove"
VERSION = "grove-v1"


class Owners:
    """Versions, tokens and an ``epmx`` that answers its own payload; the test changes all of it.

    Attributes:
        asked: How often each owner was asked.
        received: What reached ``epmx``, in order.
        release: ``epmx`` answers only while it is set.
        token_release: Whose token it is is answered only while it is set.
        outcome: What ``epmx`` answers instead of the echo.
        waits_for: The endpoints that ``release`` holds up; None = all.
        fails_for: The endpoints that ``epmx`` has no time for.
        seen: Transport and version by endpoint, as last reported.
        alive: The last report of each transport, by run id.
        restate: Whether transports are asked to say again whom they hold.
    """

    def __init__(self, credentials: Bus, register: Bus) -> None:
        self._credentials = credentials
        self._register = register
        self.versions: dict[str, tuple[str, ...] | None] = {VERSION: None}
        self.tokens: dict[tuple[str, str], tuple[str, TokenStatus]] = {}
        self.asked: Counter[str] = Counter()
        self.received: list[ClientData] = []
        self.release = asyncio.Event()
        self.release.set()
        self.token_release = asyncio.Event()
        self.token_release.set()
        self.outcome: ExtensionData | GroveError | None = None
        self.waits_for: set[str] | None = None
        self.fails_for: set[str] = set()
        self.seen: dict[str, tuple[str, str]] = {}
        self.alive: dict[str, AliveReport] = {}
        self.restate = False

    async def serve(self) -> None:
        register, credentials = self._register, self._credentials
        subject = REPORT_SEEN.subject(register.subjects)
        await register.serve(subject, SeenReport, self._note_seen, queue="endpoint-register")
        subject = REPORT_ALIVE.subject(register.subjects)
        await register.serve(subject, AliveReport, self._note_alive, queue="endpoint-register")
        subject = RESOLVE_APP_VERSION.subject(register.subjects)
        await register.serve(subject, AppVersionRequest, self._resolve, queue="endpoint-register")
        await register.serve(EPMX.subject(register.subjects), ClientData, self._epmx, queue="epmx")
        subject = VALIDATE_TOKENS.subject(credentials.subjects)
        await credentials.serve(
            subject, EndpointTokensValidationRequest, self._validate, queue="credential-manager"
        )

    async def keep_events(self) -> None:
        """Keep what transports announce, as endpoint-register does."""
        await self._register.ensure_stream(events_stream(self._register.subjects))

    async def leave(self) -> None:
        """Stop serving ``epmx`` and versions, as a service that is stopped."""
        self.release.set()
        await self._register.stop_serving()

    def new_token(self, *, endpoint_id: str = "ep", status: TokenStatus = TokenStatus.ACTIVE) -> str:
        token = secrets.token_hex(5)
        self.tokens[APPLICATION, token] = (endpoint_id, status)
        return token

    async def move(self, token: str, status: TokenStatus) -> None:
        """Change a token's state, and tell everybody as credential-manager does."""
        endpoint_id, _ = self.tokens[APPLICATION, token]
        self.tokens[APPLICATION, token] = (endpoint_id, status)
        await self.tell(endpoint_id, status)

    async def suspend(self, token: str) -> None:
        await self.move(token, TokenStatus.SUSPENDED)

    async def tell(self, endpoint_id: str, status: TokenStatus) -> None:
        subjects = self._credentials.subjects
        changed: Event = EndpointTokenStatusChangedEvent(
            app_name=APPLICATION, endpoint_id=endpoint_id, token_ids=("t",), status=status
        )
        await self._credentials.broadcast(TOKEN_STATUS_CHANGED.subject(subjects), changed)
        if status not in ACCEPTED:
            revoked = EndpointTokenRevokedEvent(
                app_name=APPLICATION, endpoint_id=endpoint_id, token_ids=("t",)
            )
            await self._credentials.broadcast(TOKEN_REVOKED.subject(subjects), revoked)

    async def tell_when_possible(self, endpoint_id: str, status: TokenStatus) -> None:
        async def told() -> bool:
            await self.tell(endpoint_id, status)
            return True

        await eventually(told, what="the event is out")

    async def configure(self, version: str, extensions: tuple[str, ...] | None) -> None:
        """Change what a version allows, and tell everybody as endpoint-register does."""
        self.versions[version] = extensions
        event = ConfigurationUpdatedEvent(
            app_name=APPLICATION, app_ver_name=version, service_instance_name="kpc"
        )
        await self._register.broadcast(CONFIGURATION_UPSERTED.subject(self._register.subjects), event)

    async def _note_seen(self, report: SeenReport) -> SeenReply:
        for endpoint_id, noted in report.endpoints.items():
            self.seen[endpoint_id] = (report.transport, noted.app_version_name)
        return SeenReply()

    async def _note_alive(self, report: AliveReport) -> AliveReply:
        self.alive[report.run_id] = report
        restate, self.restate = self.restate, False
        return AliveReply(restate=restate)

    async def _resolve(self, request: AppVersionRequest) -> AppVersionResponse:
        self.asked["version"] += 1
        if request.app_version_name not in self.versions:
            raise NotFoundError("unknown application version")
        application = request.app_version_name.rpartition("-")[0]
        return AppVersionResponse(
            application_name=application, extensions=self.versions[request.app_version_name]
        )

    async def _validate(self, request: EndpointTokensValidationRequest) -> EndpointTokensValidationResponse:
        self.asked["token"] += len(request.tokens)
        await self.token_release.wait()
        return EndpointTokensValidationResponse(holders=tuple(map(self._holder, request.tokens)))

    def _holder(self, claim: TokenClaim) -> TokenHolder:
        endpoint_id, status = self.tokens.get((claim.app_name, claim.token), ("", None))
        if status is None:
            return TokenHolder(status_code=401, reason_phrase="unknown token")
        if status not in ACCEPTED:
            return TokenHolder(status_code=403, reason_phrase=f"token is {status.value}")
        return TokenHolder(token_id="t", endpoint_id=endpoint_id)

    async def _epmx(self, request: ClientData) -> ExtensionData:
        self.asked["epmx"] += 1
        self.received.append(request)
        if self.waits_for is None or request.endpoint_id in self.waits_for:
            await self.release.wait()
        if request.endpoint_id in self.fails_for:
            raise UnavailableError
        if isinstance(self.outcome, GroveError):
            raise self.outcome
        return self.outcome or ExtensionData(payload=request.payload)
