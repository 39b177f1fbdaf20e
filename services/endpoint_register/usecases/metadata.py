"""Metadata as operators read and write it; they are not limited by whitelists."""

from collections.abc import Callable, Sequence

from libs.contracts.api_keys import check_limits
from libs.contracts.conditions import check_if_match
from libs.contracts.endpoints import (
    ApplicationMetadataKeys,
    DeleteMetadataKey,
    GetMetadata,
    GetMetadataKey,
    ListMetadataKeys,
    PatchMetadata,
    PutMetadata,
    PutMetadataKey,
)
from libs.contracts.errors import BadRequestError, NotFoundError
from libs.contracts.ids import EndpointId, check_metadata_key
from libs.contracts.messages import Request
from libs.contracts.payload import JsonValue, decode_json
from services.endpoint_register.domain.endpoint import Endpoint
from services.endpoint_register.domain.metadata import (
    Difference,
    Metadata,
    check_metadata,
    merged,
    selected,
    without,
)
from services.endpoint_register.domain.patch import apply_patch, parse_patch
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.changing import find_ready, patience_s
from services.endpoint_register.usecases.scope import find_application


async def get_metadata(cmd: GetMetadata, *, parts: Parts) -> tuple[Endpoint, Metadata]:
    """Read all metadata, or the keys asked for that are there."""
    for key in cmd.include:
        check_metadata_key(key)
    endpoint = await _find(cmd.endpoint_id, cmd.applications, parts)
    return endpoint, selected(endpoint.metadata, cmd.include) if cmd.include else endpoint.metadata


async def put_metadata(cmd: PutMetadata, *, parts: Parts) -> Endpoint:
    """Replace all metadata."""
    document = decode_json(cmd.payload)
    if not isinstance(document, dict):
        raise BadRequestError("metadata must be a JSON object")
    return await _rewrite(cmd, lambda _old: document, parts)


async def patch_metadata(cmd: PatchMetadata, *, parts: Parts) -> Endpoint:
    """Apply a JSON Patch, all of it or nothing.

    Raises:
        UnprocessableError: An operation cannot be carried out.
    """
    operations = parse_patch(decode_json(cmd.payload))
    return await _rewrite(cmd, lambda old: apply_patch(old, operations), parts)


async def get_metadata_key(cmd: GetMetadataKey, *, parts: Parts) -> tuple[Endpoint, JsonValue]:
    """Read one value.

    Raises:
        NotFoundError: There is no such key.
    """
    check_metadata_key(cmd.key)
    endpoint = await _find(cmd.endpoint_id, cmd.applications, parts)
    _check_there(endpoint.metadata, cmd.key)
    return endpoint, endpoint.metadata[cmd.key]


async def put_metadata_key(cmd: PutMetadataKey, *, parts: Parts) -> Endpoint:
    """Set one value; the key need not exist."""
    check_metadata_key(cmd.key)
    value = decode_json(cmd.payload)
    return await _rewrite(cmd, lambda old: merged(old, {cmd.key: value}), parts)


async def delete_metadata_key(cmd: DeleteMetadataKey, *, parts: Parts) -> Endpoint:
    """Remove one key.

    Raises:
        NotFoundError: There is no such key.
    """
    check_metadata_key(cmd.key)

    def remove(old: Metadata) -> Metadata:
        _check_there(old, cmd.key)
        return without(old, {cmd.key})

    return await _rewrite(cmd, remove, parts)


async def list_metadata_keys(cmd: ListMetadataKeys, *, parts: Parts) -> list[str]:
    """Name an endpoint's keys, sorted."""
    endpoint = await _find(cmd.endpoint_id, cmd.applications, parts)
    return sorted(endpoint.metadata)


async def application_metadata_keys(cmd: ApplicationMetadataKeys, *, parts: Parts) -> dict[str, list[str]]:
    """Name the keys in use at each version of an application, sorted."""
    application = await find_application(cmd.application_name, limits=cmd.applications, parts=parts)
    return {
        version.name: await parts.endpoints.metadata_keys(version.name)
        for version in application.versions.values()
    }


async def change_metadata(
    endpoint_id: EndpointId,
    rewrite: Callable[[Endpoint], Metadata],
    *,
    request: Request,
    parts: Parts,
) -> Endpoint:
    """Give an endpoint other metadata; the same again makes no new revision and no event.

    Raises:
        BadRequestError: What ``rewrite`` gave may not be stored.
        PayloadTooLargeError: It has more than 256 KiB or 1,000 keys.
        GroveError: What ``rewrite`` or :meth:`.EndpointChanges.change` raised.
    """

    def change(before: Endpoint) -> Endpoint | None:
        metadata = rewrite(before)
        check_metadata(metadata, old=before.metadata)
        difference = Difference(before.metadata, metadata)
        if not difference:
            return None
        now = parts.clock.now()
        return before.with_metadata(metadata, difference, at=now, correlation_id=request.correlation_id)

    return await parts.changing.change(endpoint_id, change, wait_s=patience_s(request))


async def _rewrite(
    cmd: PutMetadata | PatchMetadata | PutMetadataKey | DeleteMetadataKey,
    rewrite: Callable[[Metadata], Metadata],
    parts: Parts,
) -> Endpoint:
    def checked(before: Endpoint) -> Metadata:
        check_limits(cmd.applications, before.application)
        check_if_match(cmd.if_match, before.e_tag)
        return rewrite(before.metadata)

    return await change_metadata(EndpointId(cmd.endpoint_id), checked, request=cmd, parts=parts)


async def _find(endpoint_id: str, limits: Sequence[str] | None, parts: Parts) -> Endpoint:
    endpoint = await find_ready(EndpointId(endpoint_id), parts=parts)
    check_limits(limits, endpoint.application)
    return endpoint


def _check_there(metadata: Metadata, key: str) -> None:
    if key not in metadata:
        raise NotFoundError(f"there is no metadata key {key}")
