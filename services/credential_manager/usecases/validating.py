"""Whose token is this: asked by transports for every device they do not know yet.

One read; one write in the life of a token, when its first use makes it Active. That change takes
nothing away from anybody, so it is told in the background: an event before the answer would make
every transport repeat the very lookup it is waiting for.
"""

from libs.contracts.ecap import EndpointTokenValidationRequest
from libs.contracts.errors import UnauthorizedError
from libs.contracts.ids import ApplicationName, is_token
from libs.contracts.tokens import TokenStatus
from services.credential_manager.domain import EndpointToken, Phase
from services.credential_manager.ports import Parts
from services.credential_manager.usecases.changing import change, new_change


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


async def _find_by_value(application: str, value: str, *, parts: Parts) -> EndpointToken:
    token = None
    if is_token(value):
        fingerprint = parts.fingerprints.of_token(value)
        token = await parts.tokens.find_by_value(ApplicationName(application), fingerprint)
    if token is None or token.phase is not Phase.LIVE:
        raise UnauthorizedError("no such endpoint token in this application")
    return token
