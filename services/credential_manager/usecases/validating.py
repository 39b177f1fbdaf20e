"""Whose token is this: asked by transports for every device they do not know yet, of many at once.

One read; one write in the life of a token, when its first use makes it Active. That change takes
nothing away from anybody, so it is told in the background: an event before the answer would make
every transport repeat the very lookup it is waiting for.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from libs.contracts.ecap import (
    MAX_TOKENS_TOGETHER,
    EndpointTokensValidationRequest,
    EndpointTokenValidationRequest,
    TokenClaim,
)
from libs.contracts.errors import BadRequestError, GroveError, UnauthorizedError
from libs.contracts.ids import ApplicationName, TokenId, is_token
from libs.contracts.tokens import TokenStatus
from services.credential_manager.domain import EndpointToken, Phase
from services.credential_manager.ports import Parts
from services.credential_manager.usecases.changing import change, new_change

_UNKNOWN: Final = "no such endpoint token in this application"
_LOOKED_AT_ONCE: Final = 8
"""Tokens of one question that are read again for themselves."""


async def validate_token(request: EndpointTokenValidationRequest, *, parts: Parts) -> EndpointToken:
    """Let the holder in, and make the token Active if this is its first use.

    Raises:
        UnauthorizedError: The application has no such token.
        ForbiddenError: It is suspended or revoked.
    """

    async def find() -> EndpointToken:
        token = await _find_by_value(request.app_name, request.token, parts=parts)
        token.check_accepted()
        return token

    async def activate(token: EndpointToken) -> EndpointToken | None:
        return token.moved(TokenStatus.ACTIVE, new_change(parts, told_by_us=False))

    token = await find()
    if token.status is TokenStatus.ACTIVE:
        return token
    token = await change(find, activate, parts.tokens.replace)
    parts.announcing.tell_later()
    return token


async def validate_tokens(
    request: EndpointTokensValidationRequest, *, parts: Parts
) -> list[EndpointToken | GroveError]:
    """Let holders in as :func:`validate_token` does; one answer, or error, for each token.

    Raises:
        BadRequestError: Too many tokens.
        UnavailableError: None can be looked up now.
    """
    if len(request.tokens) > MAX_TOKENS_TOGETHER:
        raise BadRequestError(f"at most {MAX_TOKENS_TOGETHER} tokens may be asked about at once")
    found = await _find_by_values(request.tokens, parts=parts)
    used_first = [token for token in found.values() if token.status is TokenStatus.INACTIVE]
    activated = await _activate(used_first, parts=parts)
    turns = asyncio.Semaphore(_LOOKED_AT_ONCE)

    async def answer(claim: TokenClaim) -> EndpointToken | GroveError:
        token = found.get(claim)
        if token is None:
            return UnauthorizedError(_UNKNOWN)
        if token.status is TokenStatus.ACTIVE:
            return token
        if token.id in activated:
            return activated[token.id]
        async with turns:  # it is refused, or somebody changed it just now
            try:
                one = EndpointTokenValidationRequest(app_name=claim.app_name, token=claim.token)
                return await validate_token(one, parts=parts)
            except GroveError as error:
                return error

    async with asyncio.TaskGroup() as group:
        answers = [group.create_task(answer(claim), name="whose token") for claim in request.tokens]
    return [each.result() for each in answers]


async def _activate(
    tokens: Sequence[EndpointToken], *, parts: Parts
) -> dict[TokenId, EndpointToken | GroveError]:
    """Make tokens Active at their first use, all with one write; without those that somebody changed."""
    if not tokens:
        return {}
    change = new_change(parts, told_by_us=False)
    try:
        active = await parts.tokens.activate(tokens, change)
    except GroveError as error:
        return {token.id: error for token in tokens}
    parts.announcing.tell_later()
    return {
        token.id: token.moved(TokenStatus.ACTIVE, change) or token for token in tokens if token.id in active
    }


async def _find_by_values(claims: Sequence[TokenClaim], *, parts: Parts) -> dict[TokenClaim, EndpointToken]:
    """Those that are somebody's, whatever their state."""
    values: dict[ApplicationName, dict[bytes, TokenClaim]] = {}
    for claim in claims:
        if is_token(claim.token):
            of_application = values.setdefault(ApplicationName(claim.app_name), {})
            of_application[parts.fingerprints.of_token(claim.token)] = claim
    found = {}
    for application, of_application in values.items():
        for token in await parts.tokens.find_by_values(application, list(of_application)):
            if token.phase is Phase.LIVE:
                found[of_application[token.fingerprint]] = token
    return found


async def _find_by_value(application: str, value: str, *, parts: Parts) -> EndpointToken:
    token = None
    if is_token(value):
        fingerprint = parts.fingerprints.of_token(value)
        token = await parts.tokens.find_by_value(ApplicationName(application), fingerprint)
    if token is None or token.phase is not Phase.LIVE:
        raise UnauthorizedError(_UNKNOWN)
    return token
