"""``epmx``: metadata as devices read and write it (Kaa 10/EPMP, reference/kaa1.md section 1.5).

What a device may touch is decided by the application version in its request, which need not be the
one its endpoint is registered at; both belong to the same application.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from libs.contracts.errors import BadRequestError, NotFoundError
from libs.contracts.esp import ClientData
from libs.contracts.ids import AppVersionName, EndpointId, application_of, check_metadata_key
from libs.contracts.payload import JsonValue, decode_json, encode_json
from services.endpoint_register.domain.endpoint import Endpoint
from services.endpoint_register.domain.metadata import Metadata, merged, replaced, selected, without
from services.endpoint_register.domain.whitelist import Whitelist
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.changing import find_ready
from services.endpoint_register.usecases.metadata import change_metadata

_NOTHING: Final = b""


async def answer(request: ClientData, *, parts: Parts) -> bytes:
    """Do what a device asks of its metadata; most successes have an empty answer.

    Raises:
        NotFoundError: No such resource, or no such endpoint of this application.
        BadRequestError: The payload is not what the resource takes.
        ForbiddenError: It names a key that the version may not see or write.
    """
    resource = _RESOURCES.get(request.resource_path)
    if resource is None:
        raise NotFoundError(f"epmx has no resource {request.resource_path[:64]!a}")
    return await resource(request, parts)


async def _get(request: ClientData, parts: Parts) -> bytes:
    keys = _keys_asked_for(request.payload)
    whitelist = await _whitelist(request, parts)
    whitelist.check_readable(keys or ())
    endpoint = await _endpoint(request, parts)
    visible = whitelist.visible(endpoint.metadata)
    return encode_json(visible if keys is None else selected(visible, keys))


async def _get_keys(request: ClientData, parts: Parts) -> bytes:
    whitelist = await _whitelist(request, parts)
    endpoint = await _endpoint(request, parts)
    return encode_json(sorted(whitelist.visible(endpoint.metadata)))


async def _update(request: ClientData, parts: Parts) -> bytes:
    new = _properties(request.payload)
    if not new:
        raise BadRequestError("update takes an object with at least one property")
    whitelist = await _whitelist(request, parts)
    whitelist.check_writable(new)
    return await _change(request, lambda old: replaced(old, new, is_writable=whitelist.is_writable), parts)


async def _update_keys(request: ClientData, parts: Parts) -> bytes:
    changes = _properties(request.payload)
    whitelist = await _whitelist(request, parts)
    whitelist.check_writable(changes)
    return await _change(request, lambda old: merged(old, changes), parts)


async def _delete_keys(request: ClientData, parts: Parts) -> bytes:
    keys = _key_names(decode_json(request.payload), where="delete/keys")
    if not keys:
        raise BadRequestError("delete/keys takes an array of at least one key name")
    whitelist = await _whitelist(request, parts)
    whitelist.check_writable(keys)
    return await _change(request, lambda old: without(old, keys), parts)


_RESOURCES: Final[Mapping[str, Callable[[ClientData, Parts], Awaitable[bytes]]]] = {
    "/get": _get,
    "/get/keys": _get_keys,
    "/update": _update,
    "/update/keys": _update_keys,
    "/delete/keys": _delete_keys,
}


async def _change(request: ClientData, rewrite: Callable[[Metadata], Metadata], parts: Parts) -> bytes:
    def checked(before: Endpoint) -> Metadata:
        _check_application(request, before)
        return rewrite(before.metadata)

    await change_metadata(EndpointId(request.endpoint_id), checked, request=request, parts=parts)
    return _NOTHING


async def _endpoint(request: ClientData, parts: Parts) -> Endpoint:
    endpoint = await find_ready(EndpointId(request.endpoint_id), parts=parts)
    _check_application(request, endpoint)
    return endpoint


async def _whitelist(request: ClientData, parts: Parts) -> Whitelist:
    return await parts.whitelists.of(AppVersionName(request.app_version_name))


def _check_application(request: ClientData, endpoint: Endpoint) -> None:
    """Refuse what a transport cannot send: it finds tokens within the version's application."""
    if application_of(request.app_version_name) != endpoint.application:
        raise NotFoundError("the endpoint belongs to another application")


def _keys_asked_for(payload: bytes) -> tuple[str, ...] | None:
    """Read ``get``'s empty payload, ``{}`` or ``{"keys":[...]}``; None = all keys."""
    if not payload.strip():
        return None
    document = decode_json(payload)
    if not isinstance(document, dict) or document.keys() - {"keys"}:
        raise BadRequestError('get takes nothing, {} or {"keys":[...]}')
    return _key_names(document["keys"], where="keys") if "keys" in document else None


def _key_names(names: JsonValue, *, where: str) -> tuple[str, ...]:
    if not isinstance(names, list):
        raise BadRequestError(f"{where} takes an array of key names")
    keys = tuple(check_metadata_key(name) for name in names if isinstance(name, str))
    if len(set(keys)) != len(names):
        raise BadRequestError(f"{where} takes text, and each name once")
    return keys


def _properties(payload: bytes) -> Metadata:
    """Read an object; an array around one object is what a published client sends."""
    document = decode_json(payload)
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
    if not isinstance(document, dict):
        raise BadRequestError("metadata must be a JSON object")
    for key in document:
        check_metadata_key(key)
    return document
