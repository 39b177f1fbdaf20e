"""Keys of operators: create, list, revoke, check; and the one that ``GROVE_ADMIN_KEY`` names."""

from collections.abc import Awaitable, Callable

from libs.contracts.api_keys import CreateApiKey, ListApiKeys
from libs.contracts.errors import ConflictError, NotFoundError
from libs.contracts.ids import ApiKeyId
from libs.contracts.paging import check_page
from services.credential_manager.domain import (
    ApiKey,
    check_applications,
    check_key_name,
    parse_expiry,
    refused_key,
)
from services.credential_manager.ports import Parts
from services.credential_manager.usecases.changing import change, new_change


async def create_api_key(cmd: CreateApiKey, *, parts: Parts) -> tuple[ApiKey, str]:
    """Create a key; returns it with its value, which is kept nowhere.

    Raises:
        BadRequestError: Its name, limits or expiry make no sense.
    """
    value = parts.entropy.api_key_value()
    creation = new_change(parts)
    key = ApiKey(
        id=ApiKeyId(parts.entropy.record_id()),
        revision=1,
        attempt=creation.attempt,
        changed_at=creation.at,
        announce_from=None,
        fingerprint=parts.fingerprints.of_api_key(value),
        name=check_key_name(cmd.body.name),
        scope=cmd.body.scope,
        applications=check_applications(cmd.body.applications),
        created_at=creation.at,
        expires_at=parse_expiry(cmd.body.expiry_date, now=creation.at),
        revoked=False,
        seeded=False,
    )
    if not await parts.api_keys.add(key):
        raise ConflictError("the key could not be created; try again")
    return key, value


async def list_api_keys(cmd: ListApiKeys, *, parts: Parts) -> tuple[list[ApiKey], int]:
    """Give a page of keys, revoked and expired ones included.

    Raises:
        BadRequestError: The page is out of bounds.
    """
    check_page(offset=cmd.offset, limit=cmd.limit)
    return await parts.api_keys.page(offset=cmd.offset, limit=cmd.limit)


async def revoke_api_key(key_id: str, *, parts: Parts) -> None:
    """Stop accepting a key, and tell everyone before returning; repeated it is a success.

    Raises:
        NotFoundError: There is no such key.
        ConflictError: It is the admin key that ``GROVE_ADMIN_KEY`` names.
        UnavailableError: It is done, but not everyone could be told yet.
    """

    async def find() -> ApiKey:
        key = await parts.api_keys.find(ApiKeyId(key_id))
        if key is None:
            raise NotFoundError("there is no such API key")
        key.check_revocable()
        return key

    await parts.announcing.tell(await _revoke(find, parts=parts))


async def check_api_key(value: str, *, parts: Parts) -> ApiKey:
    """Say what a key may do.

    Raises:
        UnauthorizedError: Unknown, revoked or expired.
    """
    key = await parts.api_keys.find_by_value(parts.fingerprints.of_api_key(value))
    if key is None:
        raise refused_key()
    key.check_accepted(parts.clock.now())
    return key


async def seed_admin_key(value: str, *, parts: Parts) -> ApiKey:
    """Make ``value`` the admin key and revoke its predecessors; harmless when nothing changed.

    Replicas may do this at the same time; with different values the last one to start wins.

    Raises:
        ConflictError: The value is that of a key which somebody created.
    """
    fresh = ApiKey.seed(
        ApiKeyId(parts.entropy.record_id()),
        fingerprint=parts.fingerprints.of_api_key(value),
        change=new_change(parts),
    )
    key = fresh if await parts.api_keys.add(fresh) else await _reinstate(fresh, parts=parts)
    for former in await parts.api_keys.seeded():
        if former.id != key.id and not former.revoked:
            await _revoke_former(former.id, parts=parts)
    parts.announcing.tell_later()
    return key


async def _reinstate(fresh: ApiKey, *, parts: Parts) -> ApiKey:
    """Take the seeded key that has this value already: the same start again, or a rolled back value."""

    async def find() -> ApiKey:
        key = await parts.api_keys.find_by_value(fresh.fingerprint)
        if key is None or not key.seeded:
            raise ConflictError("GROVE_ADMIN_KEY is the value of a key made over REST; choose another one")
        return key

    async def reinstate(key: ApiKey) -> ApiKey | None:
        return key.reinstated(new_change(parts)) if key.revoked else None

    return await change(find, reinstate, parts.api_keys.replace)


async def _revoke_former(key_id: ApiKeyId, *, parts: Parts) -> None:
    async def find() -> ApiKey:
        key = await parts.api_keys.find(key_id)
        if key is None:
            raise NotFoundError
        return key

    await _revoke(find, parts=parts, told_by_us=False)


async def _revoke(find: Callable[[], Awaitable[ApiKey]], *, parts: Parts, told_by_us: bool = True) -> ApiKey:
    async def revoke(key: ApiKey) -> ApiKey | None:
        return None if key.revoked else key.with_revocation(new_change(parts, told_by_us=told_by_us))

    return await change(find, revoke, parts.api_keys.replace)
