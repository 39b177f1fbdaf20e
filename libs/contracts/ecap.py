"""Endpoint credentials authentication (Kaa 16/ECAP): who holds this token.

Besides the RFC's ``revoked`` event there is ``status-changed``: caches must also forget a refusal
once a token was created or reactivated. The RFC's status transition, by which a transport moves a
token, is not here: the first use is part of the question, and a transport that was broken into must
not be able to reactivate what was suspended.
"""

from typing import Final

from msgspec import Struct

from libs.contracts.messages import Event, Reply, Request
from libs.contracts.subjects import EventType, Operation
from libs.contracts.tokens import TokenStatus


class EndpointTokenValidationRequest(Request, frozen=True, kw_only=True):
    """Ask whose token this is; the first question about an Inactive token makes it Active.

    Attributes:
        app_name: Tokens are unique per application.
        token: The secret.
    """

    app_name: str
    token: str


class EndpointTokenValidationResponse(Reply, frozen=True, kw_only=True):
    """The holder; 401 for no such token in this application, 403 for suspended or revoked.

    Attributes:
        token_id: Names the token without telling it.
        endpoint_id: Whom it belongs to.
    """

    token_id: str | None = None
    endpoint_id: str | None = None


MAX_TOKENS_TOGETHER: Final = 64
"""Tokens that may be asked about in one request."""


class TokenClaim(Struct, frozen=True, rename="camel"):
    """One of the tokens asked about, as in :class:`EndpointTokenValidationRequest`."""

    app_name: str
    token: str


class TokenHolder(Struct, frozen=True, rename="camel", kw_only=True):
    """What :class:`EndpointTokenValidationResponse` says, about one token of several."""

    status_code: int = 200
    reason_phrase: str | None = None
    token_id: str | None = None
    endpoint_id: str | None = None


class EndpointTokensValidationRequest(Request, frozen=True, kw_only=True):
    """Ask whose tokens these are, at most 64: a fleet that comes back asks about all its tokens at once.

    Not in the RFC. One question costs the store a millisecond, each of 64 together a tenth of that.
    """

    tokens: tuple[TokenClaim, ...]


class EndpointTokensValidationResponse(Reply, frozen=True, kw_only=True):
    """An answer to each, in the order of the question."""

    holders: tuple[TokenHolder, ...] = ()


class EndpointTokenRevokedEvent(Event, frozen=True, kw_only=True):
    """Tokens stopped being accepted: suspended, revoked or deleted.

    Attributes:
        app_name: Application of the tokens.
        endpoint_id: Whom they belong to.
        token_ids: The tokens concerned.
    """

    app_name: str
    endpoint_id: str
    token_ids: tuple[str, ...] = ()


class EndpointTokenStatusChangedEvent(Event, frozen=True, kw_only=True):
    """A token was created, moved to another state or deleted.

    Attributes:
        app_name: Application of the token.
        endpoint_id: Whom it belongs to.
        token_ids: The tokens concerned.
        status: The new state; None = deleted.
    """

    app_name: str
    endpoint_id: str
    token_ids: tuple[str, ...] = ()
    status: TokenStatus | None = None


VALIDATE_TOKEN = Operation(
    instance="credential-manager",
    protocol="ecap",
    name="ep-token-request",
    request=EndpointTokenValidationRequest,
    reply=EndpointTokenValidationResponse,
    summary="Whose token is this; activates it on first use.",
)
VALIDATE_TOKENS = Operation(
    instance="credential-manager",
    protocol="ecap",
    name="ep-tokens-request",
    request=EndpointTokensValidationRequest,
    reply=EndpointTokensValidationResponse,
    summary="Whose tokens are these; activates each on its first use.",
)
TOKEN_REVOKED = EventType(
    originator="credential-manager",
    entity="endpoint",
    group="token",
    name="revoked",
    event=EndpointTokenRevokedEvent,
    summary="Tokens are no longer accepted: suspended, revoked or deleted.",
)
TOKEN_STATUS_CHANGED = EventType(
    originator="credential-manager",
    entity="endpoint",
    group="token",
    name="status-changed",
    event=EndpointTokenStatusChangedEvent,
    summary="A token was created, moved to another state or deleted.",
)
