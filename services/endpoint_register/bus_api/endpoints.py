"""Handlers of ``endpoints``, their metadata (``epmmp``), and of devices (``epmx``)."""

from collections.abc import Sequence
from http import HTTPStatus

from libs.contracts import endpoints as contract
from libs.contracts.applications import EmptyReply
from libs.contracts.conditions import is_current
from libs.contracts.esp import ClientData, ExtensionData
from libs.contracts.payload import encode_json
from libs.contracts.tokens import TokenStatus
from services.endpoint_register.bus_api.bodies import connectivity_body, endpoint_body, endpoint_version_body
from services.endpoint_register.domain.endpoint import Endpoint
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases import (
    devices,
    endpoints,
    listing,
    matching,
    metadata,
    presence,
    removing,
)


class EndpointHandlers:
    """One method for each operation."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def on_client_data(self, request: ClientData) -> ExtensionData:
        return ExtensionData(payload=await devices.answer(request, parts=self._parts))

    async def on_create_endpoint(self, request: contract.CreateEndpoint) -> contract.CreatedEndpointReply:
        endpoint, token = await endpoints.create_endpoint(request, parts=self._parts)
        body = contract.CreatedEndpoint(
            endpoint_id=endpoint.id, token=token, status=TokenStatus.INACTIVE.value
        )
        return contract.CreatedEndpointReply(status_code=HTTPStatus.CREATED.value, body=body)

    async def on_list_endpoints(self, request: contract.ListEndpoints) -> contract.EndpointPageReply:
        found, total = await listing.list_endpoints(request, parts=self._parts)
        content = await self._bodies(found, request.include)
        return contract.EndpointPageReply(body=contract.EndpointPage(content=content, total_elements=total))

    async def on_get_endpoint(self, request: contract.GetEndpoint) -> contract.EndpointReply:
        endpoint = await endpoints.get_endpoint(request, parts=self._parts)
        (body,) = await self._bodies([endpoint], request.include)
        return contract.EndpointReply(body=body, incarnation=endpoint.incarnation)

    async def on_delete_endpoint(self, request: contract.DeleteEndpoint) -> EmptyReply:
        await removing.delete_endpoint(request, parts=self._parts)
        return EmptyReply(status_code=HTTPStatus.NO_CONTENT.value)

    async def on_get_endpoint_version(
        self, request: contract.GetEndpointVersion
    ) -> contract.EndpointVersionReply:
        endpoint = await endpoints.get_endpoint_version(request, parts=self._parts)
        return contract.EndpointVersionReply(body=endpoint_version_body(endpoint))

    async def on_put_endpoint_version(
        self, request: contract.PutEndpointVersion
    ) -> contract.EndpointVersionReply:
        endpoint = await endpoints.put_endpoint_version(request, parts=self._parts)
        return contract.EndpointVersionReply(body=endpoint_version_body(endpoint))

    async def on_get_metadata(self, request: contract.GetMetadata) -> contract.MetadataReply:
        endpoint, document = await metadata.get_metadata(request, parts=self._parts)
        return _read(endpoint, document, request.if_none_match)

    async def on_put_metadata(self, request: contract.PutMetadata) -> contract.MetadataReply:
        return _written(await metadata.put_metadata(request, parts=self._parts))

    async def on_patch_metadata(self, request: contract.PatchMetadata) -> contract.MetadataReply:
        return _written(await metadata.patch_metadata(request, parts=self._parts))

    async def on_get_metadata_key(self, request: contract.GetMetadataKey) -> contract.MetadataReply:
        endpoint, value = await metadata.get_metadata_key(request, parts=self._parts)
        return _read(endpoint, value, request.if_none_match)

    async def on_put_metadata_key(self, request: contract.PutMetadataKey) -> contract.MetadataReply:
        return _written(await metadata.put_metadata_key(request, parts=self._parts))

    async def on_delete_metadata_key(self, request: contract.DeleteMetadataKey) -> contract.MetadataReply:
        return _written(await metadata.delete_metadata_key(request, parts=self._parts))

    async def on_list_metadata_keys(self, request: contract.ListMetadataKeys) -> contract.KeysReply:
        return contract.KeysReply(body=await metadata.list_metadata_keys(request, parts=self._parts))

    async def on_application_metadata_keys(
        self, request: contract.ApplicationMetadataKeys
    ) -> contract.KeysByVersionReply:
        body = await metadata.application_metadata_keys(request, parts=self._parts)
        return contract.KeysByVersionReply(body=body)

    async def _bodies(
        self, found: Sequence[Endpoint], include: tuple[contract.EndpointInclude, ...]
    ) -> list[contract.Endpoint]:
        filters = await matching.filters_shown(found, parts=self._parts) if "filters" in include else {}
        if "connectivity" not in include:
            return [endpoint_body(each, include, filters=filters.get(each.id)) for each in found]
        records = await presence.connectivity_of(found, parts=self._parts)
        now, active_for = self._parts.clock.now(), self._parts.active_for
        return [
            endpoint_body(
                endpoint,
                include,
                filters=filters.get(endpoint.id),
                connectivity=connectivity_body(records.get(endpoint.id), now=now, active_for=active_for),
            )
            for endpoint in found
        ]


def _read(endpoint: Endpoint, value: object, if_none_match: str | None) -> contract.MetadataReply:
    if is_current(if_none_match, endpoint.e_tag):
        return contract.MetadataReply(status_code=HTTPStatus.NOT_MODIFIED.value, e_tag=endpoint.e_tag)
    return contract.MetadataReply(payload=encode_json(value), e_tag=endpoint.e_tag)


def _written(endpoint: Endpoint) -> contract.MetadataReply:
    return contract.MetadataReply(status_code=HTTPStatus.NO_CONTENT.value, e_tag=endpoint.e_tag)
