"""Endpoint tokens, as operators manage them (Kaa CM), and as endpoint-register does."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from libs.contracts.applications import EmptyReply
from libs.contracts.messages import ManagementRequest, Reply, Request
from libs.contracts.subjects import Operation
from libs.contracts.tokens import TokenStatus


class Token(Struct, rename="camel", frozen=True):
    """A token without its value. Dates are ISO 8601 UTC."""

    endpoint_token_id: str
    status: TokenStatus
    created_date: str
    application_name: str
    update_date: str | UnsetType = UNSET


class TokenPage(Struct, rename="camel", frozen=True):
    """A page of an endpoint's tokens."""

    content: list[Token]
    total_elements: int


class NewToken(Struct, rename="camel", frozen=True):
    """What creates a token; the value is generated (24 alphanumerics) when absent."""

    application_name: str
    token: str | None = None


class CreatedToken(Struct, rename="camel", frozen=True):
    """A new token; its value is told here and never again."""

    endpoint_token_id: str
    token: str
    created_date: str
    application_name: str
    status: TokenStatus


class TokenStatusChange(Struct, rename="camel", frozen=True):
    """The state to move to."""

    status: TokenStatus


class CreateToken(ManagementRequest, frozen=True, kw_only=True):
    """One more token for an endpoint; two may be valid during a rotation."""

    endpoint_id: str
    body: NewToken


class ListTokens(ManagementRequest, frozen=True, kw_only=True):
    """A page of an endpoint's tokens, newest first unless ``order`` is ASC."""

    endpoint_id: str
    status: tuple[TokenStatus, ...] = ()
    order: Literal["ASC", "DESC"] = "DESC"
    offset: int = 0
    limit: int = 20
    if_none_match: str | None = None


class SetTokenStatus(ManagementRequest, frozen=True, kw_only=True):
    """Move a token to another state; the same state again changes nothing."""

    endpoint_id: str
    token_id: str
    body: TokenStatusChange
    if_match: str | None = None


class DeleteToken(ManagementRequest, frozen=True, kw_only=True):
    """Forget a token; it is refused from then on."""

    endpoint_id: str
    token_id: str
    if_match: str | None = None


class StoreToken(Request, frozen=True, kw_only=True):
    """Store an endpoint's first token (delivery rule 23).

    An upsert on (application, token): repeated for the same endpoint it is a success that changes
    nothing, for another endpoint a 409.

    Attributes:
        application_name: Where the token is unique.
        endpoint_id: Who is let in with it.
        token: Its value.
        incarnation: Which life of the endpoint id it belongs to; None = not told by an older release.
    """

    application_name: str
    endpoint_id: str
    token: str
    incarnation: str | None = None


class FirstToken(Struct, array_like=True, frozen=True):
    """The first token of a new endpoint; fields as of :class:`StoreToken`."""

    endpoint_id: str
    token: str
    incarnation: str


class StoreTokens(Request, frozen=True, kw_only=True):
    """Store the first tokens of many endpoints of one application, each as :class:`StoreToken` does.

    Attributes:
        application_name: Where the tokens are unique.
        tokens: At most 50.
    """

    application_name: str
    tokens: tuple[FirstToken, ...]


class DeleteEndpointTokens(Request, frozen=True, kw_only=True):
    """Forget all tokens of an endpoint that nobody sees any more; repeated it is a success.

    Attributes:
        endpoint_id: Whose tokens.
        incarnation: Which life of the endpoint id has ended: tokens of another one stay. None = not
            told by an older release; then nothing is forgotten while an endpoint of this id is seen.
    """

    endpoint_id: str
    incarnation: str | None = None


class TokenOutcome(Struct, array_like=True, frozen=True):
    """What became of a token: 204, or the error of storing it alone."""

    status_code: int
    reason: str = ""


class StoreTokensReply(Reply, frozen=True, kw_only=True):
    """An outcome for each token, in their order."""

    outcomes: tuple[TokenOutcome, ...]


class TokenPageReply(Reply, frozen=True, kw_only=True):
    """A page; 304 when If-None-Match holds."""

    body: TokenPage | None = None
    e_tag: str = ""


class CreatedTokenReply(Reply, frozen=True, kw_only=True):
    """The new token."""

    body: CreatedToken


_OWNER = "credential-manager"
_PROTOCOL = "tokens"

CREATE_TOKEN = Operation(
    _OWNER, _PROTOCOL, "create", CreateToken, CreatedTokenReply, "Create a token for an endpoint."
)
LIST_TOKENS = Operation(_OWNER, _PROTOCOL, "list", ListTokens, TokenPageReply, "List an endpoint's tokens.")
SET_TOKEN_STATUS = Operation(
    _OWNER, _PROTOCOL, "set-status", SetTokenStatus, EmptyReply, "Move a token to another state."
)
DELETE_TOKEN = Operation(_OWNER, _PROTOCOL, "delete", DeleteToken, EmptyReply, "Forget a token.")
STORE_TOKEN = Operation(
    _OWNER, _PROTOCOL, "store", StoreToken, EmptyReply, "Store an endpoint's first token."
)
STORE_TOKENS = Operation(
    _OWNER, _PROTOCOL, "store-many", StoreTokens, StoreTokensReply, "Store first tokens of many endpoints."
)
DELETE_ENDPOINT_TOKENS = Operation(
    _OWNER,
    _PROTOCOL,
    "delete-of-endpoint",
    DeleteEndpointTokens,
    EmptyReply,
    "Forget all tokens of an endpoint.",
)
