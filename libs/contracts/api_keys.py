"""API keys of operators: scopes, limits, and how the gateway checks one."""

from collections.abc import Sequence
from enum import Enum

from msgspec import Struct

from libs.contracts.applications import EmptyReply
from libs.contracts.errors import ForbiddenError
from libs.contracts.messages import Event, Reply, Request
from libs.contracts.subjects import EventType, Operation


class Scope(Enum):
    """What a key may do; each includes the ones before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


_RANK = {Scope.READ: 0, Scope.WRITE: 1, Scope.ADMIN: 2}


def allows(held: Scope, needed: Scope) -> bool:
    """Whether a key that holds one scope may do what needs another."""
    return _RANK[held] >= _RANK[needed]


def check_limits(limits: Sequence[str] | None, application: str) -> None:
    """Let a caller whose key is limited to some applications (None = not) touch this one.

    Raises:
        ForbiddenError: It is none of them.
    """
    if limits is not None and application not in limits:
        raise ForbiddenError(f"the API key may not touch application {application[:64]!a}")


class ApiKey(Struct, rename="camel", frozen=True):
    """A key without its value. Dates are ISO 8601 UTC.

    Attributes:
        api_key_id: Names the key.
        name: For people.
        scope: What it may do.
        applications: The only applications it may touch; None = all.
        created_date: When it was created.
        expiry_date: When it stops being accepted; None = never.
        revoked: Whether it was revoked.
    """

    api_key_id: str
    name: str
    scope: Scope
    applications: tuple[str, ...] | None
    created_date: str
    expiry_date: str | None
    revoked: bool


class NewApiKey(Struct, rename="camel", frozen=True):
    """What creates a key; ``expiryDate`` is ISO 8601 with an offset."""

    name: str
    scope: Scope = Scope.READ
    applications: tuple[str, ...] | None = None
    expiry_date: str | None = None


class CreatedApiKey(ApiKey, frozen=True, kw_only=True):
    """A new key; its value is told here and never again."""

    key: str


class ApiKeyPage(Struct, rename="camel", frozen=True):
    """A page of keys, newest first."""

    content: list[ApiKey]
    total_elements: int


class CreateApiKey(Request, frozen=True, kw_only=True):
    """A new key."""

    body: NewApiKey


class ListApiKeys(Request, frozen=True, kw_only=True):
    """A page of keys."""

    offset: int = 0
    limit: int = 20


class RevokeApiKey(Request, frozen=True, kw_only=True):
    """Stop accepting a key, for good; repeated it is a success."""

    api_key_id: str


class CheckApiKey(Request, frozen=True, kw_only=True):
    """Ask what a key may do; 401 when it is unknown, revoked or expired."""

    key: str


class ApiKeyReply(Reply, frozen=True, kw_only=True):
    """One key."""

    body: ApiKey


class CreatedApiKeyReply(Reply, frozen=True, kw_only=True):
    """The new key."""

    body: CreatedApiKey


class ApiKeyPageReply(Reply, frozen=True, kw_only=True):
    """A page."""

    body: ApiKeyPage


class ApiKeyRevokedEvent(Event, frozen=True, kw_only=True):
    """A key is no longer accepted.

    Attributes:
        api_key_id: Which key.
    """

    api_key_id: str


_OWNER = "credential-manager"
_PROTOCOL = "api-keys"

CREATE_API_KEY = Operation(
    _OWNER, _PROTOCOL, "create", CreateApiKey, CreatedApiKeyReply, "Create an API key."
)
LIST_API_KEYS = Operation(_OWNER, _PROTOCOL, "list", ListApiKeys, ApiKeyPageReply, "List API keys.")
REVOKE_API_KEY = Operation(
    _OWNER, _PROTOCOL, "revoke", RevokeApiKey, EmptyReply, "Stop accepting an API key."
)
CHECK_API_KEY = Operation(_OWNER, _PROTOCOL, "check", CheckApiKey, ApiKeyReply, "What an API key may do.")
API_KEY_REVOKED = EventType(
    originator=_OWNER,
    entity="api-key",
    group="status",
    name="revoked",
    event=ApiKeyRevokedEvent,
    summary="An API key is no longer accepted.",
)
