"""What operators do to the secrets of SenML devices.

As with tokens, success of a change that takes something away or gives it back means that all
transports have been told. A secret comes in once, with its creation, and never leaves towards them.
"""

from contextlib import suppress
from dataclasses import replace

from libs.contracts.api_keys import check_limits
from libs.contracts.conditions import check_if_match, is_current
from libs.contracts.errors import ConflictError, GroveError, NotFoundError, UnavailableError
from libs.contracts.ids import EndpointId, check_endpoint_id
from libs.contracts.paging import check_page
from libs.contracts.senml import DvnUuid, check_dvn_uuid, check_shared_secret
from libs.contracts.senml_credentials import (
    CreateSenmlCredential,
    DeleteSenmlCredential,
    GetSenmlCredential,
    ListSenmlCredentials,
    SetSenmlCredentialStatus,
)
from libs.contracts.tokens import TokenStatus
from services.credential_manager.domain import (
    Phase,
    SenmlCredential,
    check_device,
    check_room,
    e_tag_of,
    page_of,
    refuse_second,
)
from services.credential_manager.ports import Parts, RegisteredEndpoint
from services.credential_manager.usecases.changing import change, new_change
from services.credential_manager.usecases.claiming import claim


async def create_senml_credential(cmd: CreateSenmlCredential, *, parts: Parts) -> SenmlCredential:
    """Give a device its first secret, and with it its endpoint, or one more.

    It begins to exist only after endpoint and device were looked at again behind the insert: an
    endpoint whose deletion began meanwhile leaves nothing behind, and of two endpoints that want one
    device at once at most one gets it.

    Raises:
        BadRequestError: Not an id, a UUID or a secret.
        NotFoundError: There is no such endpoint.
        ForbiddenError: The API key may not touch its application.
        ConflictError: The device is another endpoint's, has this secret, or has too many.
    """
    endpoint_id = check_endpoint_id(cmd.body.endpoint_id)
    dvn_uuid = check_dvn_uuid(cmd.body.dvn_uuid)
    secret = check_shared_secret(cmd.body.shared_secret)
    endpoint = await parts.endpoints.find(endpoint_id, allowed=cmd.applications)
    check_device(await parts.senml.of_device(dvn_uuid), endpoint_id)
    check_room(len(await _live_ones(endpoint_id, parts=parts)), what="SenML credentials")
    new = _new_credential(endpoint_id, endpoint, dvn_uuid, secret, parts=parts)
    claimed = await _claim(new, parts=parts)
    try:
        endpoint = await parts.endpoints.find(endpoint_id, allowed=cmd.applications)
        others = [one for one in await parts.senml.of_device(dvn_uuid) if one.id != claimed.id]
        check_device(others, endpoint_id)
    except GroveError:
        with suppress(UnavailableError):  # a claim that is left over is forgotten within a minute
            await parts.senml.discard(claimed)
        raise
    credential = replace(
        claimed.confirmed(new_change(parts), incarnation=endpoint.incarnation),
        application=endpoint.application,
    )
    if not await parts.senml.replace(claimed, credential):
        raise ConflictError("the endpoint or this secret was changed by another request")
    await parts.announcing.tell_if_possible(credential)
    return credential


async def list_senml_credentials(
    cmd: ListSenmlCredentials, *, parts: Parts
) -> tuple[list[SenmlCredential], int]:
    """Give a page of an endpoint's SenML credentials, and how many all pages hold.

    Raises:
        BadRequestError: The page is out of bounds.
        NotFoundError: There is no such endpoint.
        ForbiddenError: The API key may not touch its application.
    """
    check_page(offset=cmd.offset, limit=cmd.limit)
    endpoint_id = check_endpoint_id(cmd.endpoint_id)
    found = await _live_ones(endpoint_id, parts=parts)
    for one in found[:1]:
        check_limits(cmd.applications, one.application)
    if not found:
        await parts.endpoints.find(endpoint_id, allowed=cmd.applications)
    return page_of(
        found, statuses=cmd.status, newest_first=cmd.order == "DESC", offset=cmd.offset, limit=cmd.limit
    )


async def get_senml_credential(
    cmd: GetSenmlCredential, *, parts: Parts
) -> tuple[SenmlCredential | None, str]:
    """Give one credential and its entity tag; None where the caller has it already.

    Raises:
        NotFoundError: There is none of this id.
        ForbiddenError: The API key may not touch its application.
    """
    credential = _visible(await parts.senml.find(cmd.credential_id), cmd)
    e_tag = e_tag_of([credential])
    return (None if is_current(cmd.if_none_match, e_tag) else credential), e_tag


async def set_senml_credential_status(cmd: SetSenmlCredentialStatus, *, parts: Parts) -> None:
    """Move a credential to another state, and tell everyone before returning.

    Raises:
        NotFoundError: There is none of this id.
        ForbiddenError: The API key may not touch its application.
        PreconditionFailedError: It has changed since the caller looked.
        ConflictError: There is no such step.
        UnavailableError: It is done, but not everyone could be told yet.
    """

    async def find() -> SenmlCredential:
        return _visible(await parts.senml.find(cmd.credential_id), cmd)

    async def move(credential: SenmlCredential) -> SenmlCredential | None:
        check_if_match(cmd.if_match, e_tag_of([credential]))
        return credential.moved(cmd.body.status, new_change(parts))

    credential = await change(find, move, parts.senml.replace)
    await parts.announcing.tell(credential)


async def delete_senml_credential(cmd: DeleteSenmlCredential, *, parts: Parts) -> None:
    """Forget a credential, and tell everyone before returning.

    Raises:
        NotFoundError: There is none of this id (any more).
        ForbiddenError: The API key may not touch its application.
        PreconditionFailedError: It has changed since the caller looked.
        UnavailableError: It is done, but not everyone could be told yet.
    """

    async def find() -> SenmlCredential:
        return _visible(await parts.senml.find(cmd.credential_id), cmd, even_deleted=True)

    async def delete(credential: SenmlCredential) -> SenmlCredential | None:
        if credential.phase is Phase.DELETED:
            return None
        check_if_match(cmd.if_match, e_tag_of([credential]))
        return credential.deleted(new_change(parts))

    credential = await change(find, delete, parts.senml.replace)
    await parts.announcing.tell(credential)


def _new_credential(
    endpoint_id: EndpointId, endpoint: RegisteredEndpoint, dvn_uuid: DvnUuid, secret: str, *, parts: Parts
) -> SenmlCredential:
    credential_id = parts.entropy.record_id()
    made = new_change(parts)
    nonce = parts.entropy.nonce()
    return SenmlCredential(
        id=credential_id,
        revision=1,
        attempt=made.attempt,
        changed_at=made.at,
        announce_from=None,
        application=endpoint.application,
        endpoint_id=endpoint_id,
        incarnation=None,
        fingerprint=parts.fingerprints.of_senml_secret(secret),
        status=TokenStatus.INACTIVE,
        phase=Phase.UNCONFIRMED,
        created_at=made.at,
        updated_at=None,
        forget_from=None,
        dvn_uuid=dvn_uuid,
        sealed=parts.secrets.seal(secret, dvn_uuid=dvn_uuid, credential_id=credential_id, nonce=nonce),
    ).unconfirmed()


async def _claim(new: SenmlCredential, *, parts: Parts) -> SenmlCredential:
    return await claim(
        new,
        repository=parts.senml,
        find_holder=lambda: parts.senml.find_by_value(new.dvn_uuid, new.fingerprint),
        is_success=lambda _: False,
        refuse=refuse_second,
    )


async def _live_ones(endpoint_id: EndpointId, *, parts: Parts) -> list[SenmlCredential]:
    return [one for one in await parts.senml.of_endpoint(endpoint_id) if one.phase is Phase.LIVE]


def _visible(
    credential: SenmlCredential | None,
    cmd: GetSenmlCredential | SetSenmlCredentialStatus | DeleteSenmlCredential,
    *,
    even_deleted: bool = False,
) -> SenmlCredential:
    """Find nothing where the caller should see nothing; a deletion still to be told can be repeated."""
    if credential is not None:
        untold = even_deleted and credential.phase is Phase.DELETED and credential.announce_from is not None
        if credential.phase is Phase.LIVE or untold:
            check_limits(cmd.applications, credential.application)
            return credential
    raise NotFoundError("there is no such SenML credential")
