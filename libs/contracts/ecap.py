"""Endpoint credentials authentication (Kaa 16/ECAP): who holds this token.

Besides the RFC's ``revoked`` event there is ``status-changed``: caches must also forget a refusal
once a token was created or reactivated. The RFC's status transition, by which a transport moves a
token, is not here: the first use is part of the question, and a transport that was broken into must
not be able to reactivate what was suspended.
"""

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
