"""What operators do to endpoint tokens, and how endpoint-register stores the first one.

Where a change takes something away or gives it back, success means that all transports have been
told; 503 then means "stored, but they may not know yet", and repeating the request waits for that.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from libs.contracts.api_keys import check_limits
from libs.contracts.conditions import check_if_match, is_current
from libs.contracts.credentials import (
    CreateToken,
    DeleteToken,
    FirstToken,
    ListTokens,
    SetTokenStatus,
    StoreToken,
    StoreTokens,
)
from libs.contracts.errors import BadRequestError, ConflictError, GroveError, NotFoundError, UnavailableError
from libs.contracts.ids import (
    ApplicationName,
    EndpointId,
    TokenId,
    check_application_name,
    check_endpoint_id,
    check_token,
)
from libs.contracts.paging import check_page
from libs.contracts.tokens import TokenStatus
from services.credential_manager.domain import (
    EndpointToken,
    Phase,
    check_room,
    e_tag_of,
    page_of,
    refuse_duplicate,
)
from services.credential_manager.ports import Parts, RegisteredEndpoint
from services.credential_manager.usecases.changing import change, new_change
from services.credential_manager.usecases.claiming import claim

MAX_AT_ONCE: Final = 50
"""Most tokens stored by one request."""


@dataclass(frozen=True, slots=True)
class TokenList:
    """A page of an endpoint's tokens; None where the caller has it already."""

    page: tuple[list[EndpointToken], int] | None
    e_tag: str


async def create_token(cmd: CreateToken, *, parts: Parts) -> tuple[EndpointToken, str]:
    """Give an endpoint one more token; returns it with its value, which is kept nowhere.

    The token begins to exist only after the endpoint was seen a second time, behind the insert, and
    belongs to the incarnation that was seen then: an endpoint whose deletion began meanwhile leaves
    no token behind. Until then it belongs to none, see :mod:`.removing`.

    Raises:
        BadRequestError: Not an id, a name or a token; or the endpoint is of another application.
        NotFoundError: There is no such endpoint.
        ForbiddenError: The API key may not touch its application.
        ConflictError: The value is taken or revoked, or the endpoint has too many tokens.
    """
    endpoint_id = check_endpoint_id(cmd.endpoint_id)
    application = check_application_name(cmd.body.application_name)
    value = parts.entropy.token_value() if cmd.body.token is None else check_token(cmd.body.token)
    check_limits(cmd.applications, application)
    await _check_endpoint(endpoint_id, application, cmd, parts=parts)
    check_room(sum(token.phase is Phase.LIVE for token in await parts.tokens.of_endpoint(endpoint_id)))
    claimed = await _claim(
        _new_token(endpoint_id, application, value, parts=parts).unconfirmed(), parts=parts
    )
    try:
        endpoint = await _check_endpoint(endpoint_id, application, cmd, parts=parts)
    except GroveError:
        with suppress(UnavailableError):  # a claim that is left over is forgotten within a minute
            await parts.tokens.discard(claimed)
        raise
    token = claimed.confirmed(new_change(parts), incarnation=endpoint.incarnation)
    if not await parts.tokens.replace(claimed, token):
        raise ConflictError("the endpoint or this token was changed by another request")
    await parts.announcing.tell_if_possible(token)
    return token, value


async def store_token(cmd: StoreToken, *, parts: Parts) -> None:
    """Store an endpoint's first token; repeated for the same endpoint it changes nothing.

    Raises:
        BadRequestError: Not an id, a name or a token.
        ConflictError: The value belongs to another endpoint or incarnation, or was revoked.
    """
    endpoint_id = check_endpoint_id(cmd.endpoint_id)
    application = check_application_name(cmd.application_name)
    token = replace(
        _new_token(endpoint_id, application, check_token(cmd.token), parts=parts),
        incarnation=cmd.incarnation,
    )
    stored = await _claim(token, parts=parts, same_endpoint_is_success=True)
    await parts.announcing.tell_if_possible(stored)


async def store_tokens(cmd: StoreTokens, *, parts: Parts) -> list[GroveError | None]:
    """Store first tokens of many endpoints with one write; tell for each what storing it alone would.

    Raises:
        BadRequestError: Too many tokens, or not the name of an application.
        UnavailableError: Which of them are stored is unknown.
    """
    if len(cmd.tokens) > MAX_AT_ONCE:
        raise BadRequestError(f"at most {MAX_AT_ONCE} tokens")
    application = check_application_name(cmd.application_name)
    outcomes: list[GroveError | None] = [None] * len(cmd.tokens)
    new: dict[int, EndpointToken] = {}
    for number, each in enumerate(cmd.tokens):
        try:
            endpoint_id = check_endpoint_id(each.endpoint_id)
            token = _new_token(endpoint_id, application, check_token(each.token), parts=parts)
        except BadRequestError as error:
            outcomes[number] = error
        else:
            new[number] = replace(token, incarnation=each.incarnation)
    stored = await parts.tokens.add_many(list(new.values())) if new else set()
    for number in [number for number, token in new.items() if token.id not in stored]:
        outcomes[number] = await _store_alone(cmd.application_name, cmd.tokens[number], parts=parts)
    return outcomes


async def _store_alone(application: str, each: FirstToken, *, parts: Parts) -> GroveError | None:
    """Find out what is in the way of a token whose value exists."""
    alone = StoreToken(
        application_name=application,
        endpoint_id=each.endpoint_id,
        token=each.token,
        incarnation=each.incarnation,
    )
    try:
        await store_token(alone, parts=parts)
    except GroveError as error:
        return error
    return None


async def list_tokens(cmd: ListTokens, *, parts: Parts) -> TokenList:
    """Give a page of an endpoint's tokens.

    Raises:
        BadRequestError: The page is out of bounds.
        NotFoundError: There is no such endpoint.
        ForbiddenError: The API key may not touch its application.
    """
    check_page(offset=cmd.offset, limit=cmd.limit)
    endpoint_id = check_endpoint_id(cmd.endpoint_id)
    tokens = await _live_tokens(endpoint_id, parts=parts)
    for token in tokens[:1]:
        check_limits(cmd.applications, token.application)
    if not tokens:
        await parts.endpoints.find(endpoint_id, allowed=cmd.applications)
    e_tag = e_tag_of(tokens)
    if is_current(cmd.if_none_match, e_tag):
        return TokenList(None, e_tag)
    page = page_of(
        tokens,
        statuses=cmd.status,
        newest_first=cmd.order == "DESC",
        offset=cmd.offset,
        limit=cmd.limit,
    )
    return TokenList(page, e_tag)


async def set_token_status(cmd: SetTokenStatus, *, parts: Parts) -> None:
    """Move a token to another state, and tell everyone before returning.

    Raises:
        NotFoundError: The endpoint has no such token.
        ForbiddenError: The API key may not touch its application.
        PreconditionFailedError: The tokens have changed since the caller looked.
        ConflictError: There is no such step.
        UnavailableError: It is done, but not everyone could be told yet.
    """

    async def find() -> EndpointToken:
        return _visible(await parts.tokens.find(TokenId(cmd.token_id)), cmd)

    async def move(token: EndpointToken) -> EndpointToken | None:
        await _check_condition(cmd, parts=parts)
        return token.moved(cmd.body.status, new_change(parts))

    token = await change(find, move, parts.tokens.replace)
    await parts.announcing.tell(token)


async def delete_token(cmd: DeleteToken, *, parts: Parts) -> None:
    """Forget a token, and tell everyone before returning.

    Raises:
        NotFoundError: The endpoint has no such token (any more).
        ForbiddenError: The API key may not touch its application.
        PreconditionFailedError: The tokens have changed since the caller looked.
        UnavailableError: It is done, but not everyone could be told yet.
    """

    async def find() -> EndpointToken:
        return _visible(await parts.tokens.find(TokenId(cmd.token_id)), cmd, even_deleted=True)

    async def delete(token: EndpointToken) -> EndpointToken | None:
        if token.phase is Phase.DELETED:
            return None
        await _check_condition(cmd, parts=parts)
        return token.deleted(new_change(parts))

    token = await change(find, delete, parts.tokens.replace)
    await parts.announcing.tell(token)


def _new_token(
    endpoint_id: EndpointId, application: ApplicationName, value: str, *, parts: Parts
) -> EndpointToken:
    return EndpointToken.new(
        TokenId(parts.entropy.record_id()),
        application=application,
        endpoint_id=endpoint_id,
        fingerprint=parts.fingerprints.of_token(value),
        change=new_change(parts),
    )


async def _claim(
    token: EndpointToken, *, parts: Parts, same_endpoint_is_success: bool = False
) -> EndpointToken:
    return await claim(
        token,
        repository=parts.tokens,
        find_holder=lambda: parts.tokens.find_by_value(token.application, token.fingerprint),
        is_success=lambda existing: same_endpoint_is_success and _is_same(existing, token),
        refuse=refuse_duplicate,
    )


def _is_same(existing: EndpointToken, token: EndpointToken) -> bool:
    return existing.status is not TokenStatus.REVOKED and existing.may_be_of(token.incarnation)


async def _check_endpoint(
    endpoint_id: EndpointId, application: ApplicationName, cmd: CreateToken, *, parts: Parts
) -> RegisteredEndpoint:
    endpoint = await parts.endpoints.find(endpoint_id, allowed=cmd.applications)
    if endpoint.application != application:
        raise BadRequestError(
            f"applicationName must be {endpoint.application!r}, the application of this endpoint"
        )
    return endpoint


async def _live_tokens(endpoint_id: EndpointId, *, parts: Parts) -> list[EndpointToken]:
    return [token for token in await parts.tokens.of_endpoint(endpoint_id) if token.phase is Phase.LIVE]


async def _check_condition(cmd: SetTokenStatus | DeleteToken, *, parts: Parts) -> None:
    """Hold If-Match; read after the token itself, so that the compare-and-set covers what was judged."""
    if cmd.if_match is not None:
        tokens = await _live_tokens(EndpointId(cmd.endpoint_id), parts=parts)
        check_if_match(cmd.if_match, e_tag_of(tokens))


def _visible(
    token: EndpointToken | None, cmd: SetTokenStatus | DeleteToken, *, even_deleted: bool = False
) -> EndpointToken:
    """Find nothing where the caller should see nothing; a deletion still to be told can be repeated."""
    if token is not None and token.endpoint_id == cmd.endpoint_id:
        untold = even_deleted and token.phase is Phase.DELETED and token.announce_from is not None
        if token.phase is Phase.LIVE or untold:
            check_limits(cmd.applications, token.application)
            return token
    raise NotFoundError("the endpoint has no such token")
