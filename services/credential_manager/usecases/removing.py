"""The credentials of an endpoint that is removed go with it, and nobody else's.

An endpoint id may be given again as soon as its endpoint is gone, while a removal of the earlier one
still lies in a replica that was paused. So a removal names the incarnation it is about, and only
credentials of that one go: tokens, and the SenML secrets of its devices.

Where either side does not name one - a claim that is not confirmed, a record or a request of an older
release - endpoint-register is asked, after the credentials were read, whether an endpoint of this id is
seen. A removal hides its endpoint before it comes here, so one that is seen is a later one: the
earlier one's had all gone before it could begin, and what is there belongs to it. If none is
seen, what is there belongs to an endpoint that is over. One case is left, while releases are mixed: a
later endpoint that is just being created by an older replica is not seen yet, and loses its first
token to a belated removal. No credential ever outlives its endpoint.
"""

from libs.contracts.credentials import DeleteEndpointTokens
from libs.contracts.errors import ConflictError, NotFoundError
from libs.contracts.ids import EndpointId
from services.credential_manager.domain import Credential, Phase
from services.credential_manager.ports import CredentialRepository, CredentialT, Parts
from services.credential_manager.usecases.changing import MAX_TRIES, new_change


async def delete_endpoint_tokens(cmd: DeleteEndpointTokens, *, parts: Parts) -> None:
    """Forget all credentials of a hidden endpoint, and tell everyone before returning; may be repeated.

    Raises:
        UnavailableError: It is not done, or not everyone could be told yet.
        ConflictError: Others changed them again and again.
    """
    gone: list[Credential] = [
        *await _delete_all(cmd, parts.tokens, parts=parts),
        *await _delete_all(cmd, parts.senml, parts=parts),
    ]
    for credential in gone:
        await parts.announcing.tell(credential)


async def _delete_all(
    cmd: DeleteEndpointTokens, repository: CredentialRepository[CredentialT], *, parts: Parts
) -> list[CredentialT]:
    for _ in range(MAX_TRIES):
        going = await _going(cmd, repository, parts=parts)
        left = [one for one in going if one.phase is not Phase.DELETED]
        if not left:
            return going
        for one in left:
            # Whether this wins is seen in the next round, which also judges anew what it became.
            await repository.replace(one, one.deleted(new_change(parts)))
    raise ConflictError("too many concurrent changes; try again")


async def _going(
    cmd: DeleteEndpointTokens, repository: CredentialRepository[CredentialT], *, parts: Parts
) -> list[CredentialT]:
    """Read the credentials that go or have gone; the latter may still have to be told."""
    endpoint_id = EndpointId(cmd.endpoint_id)
    found = await repository.of_endpoint(endpoint_id)
    possible = [one for one in found if one.phase is Phase.DELETED or one.may_be_of(cmd.incarnation)]
    unsure = [one for one in possible if _is_unsure(one, cmd)]
    if unsure and await _is_seen(endpoint_id, parts=parts):
        return [one for one in possible if one not in unsure]
    return possible


def _is_unsure(credential: Credential, cmd: DeleteEndpointTokens) -> bool:
    return credential.phase is not Phase.DELETED and None in {credential.incarnation, cmd.incarnation}


async def _is_seen(endpoint_id: EndpointId, *, parts: Parts) -> bool:
    try:
        await parts.endpoints.find(endpoint_id, allowed=None)
    except NotFoundError:
        return False
    return True
