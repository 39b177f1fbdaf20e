"""The end of an endpoint: hidden first, then its tokens, then the event, then the rest.

In this order (delivery rule 23) nothing is ever half there: a token never outlives what it is for,
and whoever hears the event can rely on the tokens being gone. Each step may be repeated, so
:mod:`.sweeping` goes on where a process died.
"""

from libs.contracts.api_keys import check_limits
from libs.contracts.endpoints import DeleteEndpoint
from libs.contracts.errors import NotFoundError, UnavailableError
from libs.contracts.ids import EndpointId
from services.endpoint_register.domain.endpoint import Endpoint, EndpointState
from services.endpoint_register.domain.relation import End
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.changing import same_incarnation

_PUBLISH_S = 3.0
_SEEN = frozenset({EndpointState.READY, EndpointState.DELETING})


async def delete_endpoint(cmd: DeleteEndpoint, *, parts: Parts) -> None:
    """Remove an endpoint; asked again while that goes on, go on with it.

    Raises:
        NotFoundError: There is no such endpoint.
        UnavailableError: It is hidden and will be removed, but something it takes is away.
    """
    endpoint_id = EndpointId(cmd.endpoint_id)
    endpoint = await parts.endpoints.find(endpoint_id, metadata=False, outbox=True)
    if endpoint is None or endpoint.state not in _SEEN:
        raise NotFoundError(f"there is no endpoint {endpoint_id[:64]!a}")
    check_limits(cmd.applications, endpoint.application)
    await remove_endpoint(endpoint, correlation_id=cmd.correlation_id, parts=parts)


async def remove_endpoint(endpoint: Endpoint, *, correlation_id: str, parts: Parts) -> None:
    """Remove an endpoint in whatever state it is.

    Raises:
        UnavailableError: Something it takes is away; what was begun is finished by the sweeper.
    """
    if endpoint.state in {EndpointState.CREATING, EndpointState.DISCARDING}:
        await discard(endpoint, parts=parts)
        return
    if endpoint.state is EndpointState.READY:
        endpoint = await parts.changing.change(
            endpoint.id, lambda now: same_incarnation(now, endpoint).deleted(correlation_id=correlation_id)
        )
    await parts.credentials.delete_tokens(endpoint)
    await parts.listing.drop(endpoint.id, incarnation=endpoint.incarnation)
    await parts.relations.forget(End.of(endpoint))
    await parts.connectivity.forget(endpoint.id, incarnation=endpoint.incarnation)
    for entry in endpoint.tellable:
        await parts.events.publish(
            entry.kind, entry.event(), message_id=endpoint.message_id(entry), deadline_s=_PUBLISH_S
        )
    if endpoint.tellable != endpoint.outbox:
        raise UnavailableError("the endpoint is hidden; a replica of a newer release finishes its removal")
    await parts.endpoints.remove(endpoint)


async def discard(endpoint: Endpoint, *, parts: Parts) -> None:
    """Take a creation back, its token first; nobody has heard of the endpoint.

    Raises:
        UnavailableError: Something it takes is away; the sweeper does it.
    """
    if endpoint.state is EndpointState.CREATING:
        # Whoever is still creating it loses here, and the state says so to everybody.
        doomed = endpoint.discarded()
        if not await parts.endpoints.replace(endpoint, doomed):
            return
        endpoint = doomed
    await parts.credentials.delete_tokens(endpoint)
    await parts.listing.drop(endpoint.id, incarnation=endpoint.incarnation)
    await parts.relations.forget(End.of(endpoint))
    await parts.endpoints.remove(endpoint)
