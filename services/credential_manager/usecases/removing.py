"""The tokens of an endpoint that is removed go with it, and nobody else's.

An endpoint id may be given again as soon as its endpoint is gone, while a removal of the earlier one
still lies in a replica that was paused. So a removal names the incarnation it is about, and only
tokens of that one go.

Where either side does not name one - a claim that is not confirmed, a record or a request of an older
release - endpoint-register is asked, after the tokens were read, whether an endpoint of this id is
seen. A removal hides its endpoint before it comes here, so one that is seen is a later one: the
earlier one's tokens had all gone before it could begin, and what is there belongs to it. If none is
seen, what is there belongs to an endpoint that is over. One case is left, while releases are mixed: a
later endpoint that is just being created by an older replica is not seen yet, and loses its first
token to a belated removal. No token ever outlives its endpoint.
"""

from libs.contracts.credentials import DeleteEndpointTokens
from libs.contracts.errors import ConflictError, NotFoundError
from libs.contracts.ids import EndpointId
from services.credential_manager.domain import EndpointToken, Phase
from services.credential_manager.ports import Parts
from services.credential_manager.usecases.changing import MAX_TRIES, new_change


async def delete_endpoint_tokens(cmd: DeleteEndpointTokens, *, parts: Parts) -> None:
    """Forget all tokens of a hidden endpoint, and tell everyone before returning; may be repeated.

    Raises:
        UnavailableError: It is not done, or not everyone could be told yet.
        ConflictError: Others changed the tokens again and again.
    """
    for _ in range(MAX_TRIES):
        going = await _going(cmd, parts=parts)
        left = [token for token in going if token.phase is not Phase.DELETED]
        if not left:
            break
        for token in left:
            # Whether this wins is seen in the next round, which also judges anew what it became.
            await parts.tokens.replace(token, token.deleted(new_change(parts)))
    else:
        raise ConflictError("too many concurrent changes; try again")
    for token in going:
        await parts.announcing.tell(token)


async def _going(cmd: DeleteEndpointTokens, *, parts: Parts) -> list[EndpointToken]:
    """Read the tokens that go or have gone; the latter may still have to be told."""
    endpoint_id = EndpointId(cmd.endpoint_id)
    found = await parts.tokens.of_endpoint(endpoint_id)
    possible = [token for token in found if token.phase is Phase.DELETED or token.may_be_of(cmd.incarnation)]
    unsure = [token for token in possible if _is_unsure(token, cmd)]
    if unsure and await _is_seen(endpoint_id, parts=parts):
        return [token for token in possible if token not in unsure]
    return possible


def _is_unsure(token: EndpointToken, cmd: DeleteEndpointTokens) -> bool:
    return token.phase is not Phase.DELETED and None in {token.incarnation, cmd.incarnation}


async def _is_seen(endpoint_id: EndpointId, *, parts: Parts) -> bool:
    try:
        await parts.endpoints.find(endpoint_id, allowed=None)
    except NotFoundError:
        return False
    return True
