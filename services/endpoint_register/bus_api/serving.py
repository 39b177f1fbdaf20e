"""Which handler answers which subject, and what is published: one table."""

from collections.abc import Awaitable, Callable
from typing import Any

from libs.bus import Bus
from libs.contracts import applications as tekton
from libs.contracts import endpoint_batches, endpoint_tables, relations, service_instances
from libs.contracts import endpoints as epr
from libs.contracts import filters as efe
from libs.contracts.connectivity import CONNECTED, DISCONNECTED, GIVEN_UP, REPORT_ALIVE, REPORT_SEEN
from libs.contracts.esp import EPMX
from libs.contracts.lifecycle import (
    APP_VERSION_UPDATED,
    CONFIGURATION_DELETED,
    CONFIGURATION_UPSERTED,
    METADATA_UPDATED,
    REGISTERED,
    RESOLVE_APP_VERSION,
    UNREGISTERED,
)
from libs.contracts.messages import Reply
from libs.contracts.streams import presence_consumer
from libs.contracts.subjects import AnyEventType, AnyOperation
from services.endpoint_register.bus_api.applications import ApplicationHandlers
from services.endpoint_register.bus_api.batches import BatchHandlers
from services.endpoint_register.bus_api.endpoints import EndpointHandlers
from services.endpoint_register.bus_api.filters import FilterHandlers
from services.endpoint_register.bus_api.presence import BATCH, PresenceHandlers
from services.endpoint_register.bus_api.relations import RelationHandlers
from services.endpoint_register.bus_api.tables import TableHandlers
from services.endpoint_register.ports import Parts

Handler = Callable[[Any], Awaitable[Reply]]

_APPLICATIONS: dict[AnyOperation, Callable[[ApplicationHandlers], Handler]] = {
    tekton.LIST_APPLICATIONS: lambda on: on.on_list_applications,
    tekton.CREATE_APPLICATION: lambda on: on.on_create_application,
    tekton.GET_APPLICATION: lambda on: on.on_get_application,
    tekton.UPDATE_APPLICATION: lambda on: on.on_update_application,
    tekton.DELETE_APPLICATION: lambda on: on.on_delete_application,
    tekton.LIST_VERSIONS: lambda on: on.on_list_versions,
    tekton.CREATE_VERSION: lambda on: on.on_create_version,
    tekton.GET_VERSION: lambda on: on.on_get_version,
    tekton.UPDATE_VERSION: lambda on: on.on_update_version,
    tekton.DELETE_VERSION: lambda on: on.on_delete_version,
    tekton.GET_APP_CONFIG: lambda on: on.on_get_configuration,
    tekton.PUT_APP_CONFIG: lambda on: on.on_put_configuration,
    tekton.PATCH_APP_CONFIG: lambda on: on.on_patch_configuration,
    tekton.LIST_APP_CONFIGS: lambda on: on.on_list_configurations,
    tekton.PUT_APP_CONFIGS: lambda on: on.on_put_configurations,
    service_instances.LIST_SERVICE_INSTANCES: lambda on: on.on_list_service_instances,
    service_instances.GET_SERVICE_INSTANCE: lambda on: on.on_get_service_instance,
    RESOLVE_APP_VERSION: lambda on: on.on_resolve_version,
}
_ENDPOINTS: dict[AnyOperation, Callable[[EndpointHandlers], Handler]] = {
    EPMX: lambda on: on.on_client_data,
    epr.CREATE_ENDPOINT: lambda on: on.on_create_endpoint,
    epr.LIST_ENDPOINTS: lambda on: on.on_list_endpoints,
    epr.GET_ENDPOINT: lambda on: on.on_get_endpoint,
    epr.DELETE_ENDPOINT: lambda on: on.on_delete_endpoint,
    epr.GET_ENDPOINT_VERSION: lambda on: on.on_get_endpoint_version,
    epr.PUT_ENDPOINT_VERSION: lambda on: on.on_put_endpoint_version,
    epr.GET_METADATA: lambda on: on.on_get_metadata,
    epr.PUT_METADATA: lambda on: on.on_put_metadata,
    epr.PATCH_METADATA: lambda on: on.on_patch_metadata,
    epr.GET_METADATA_KEY: lambda on: on.on_get_metadata_key,
    epr.PUT_METADATA_KEY: lambda on: on.on_put_metadata_key,
    epr.DELETE_METADATA_KEY: lambda on: on.on_delete_metadata_key,
    epr.LIST_METADATA_KEYS: lambda on: on.on_list_metadata_keys,
    epr.APPLICATION_METADATA_KEYS: lambda on: on.on_application_metadata_keys,
}
_BATCHES: dict[AnyOperation, Callable[[BatchHandlers], Handler]] = {
    endpoint_batches.CREATE_BATCH: lambda on: on.on_create_batch,
    endpoint_batches.GET_BATCH_STATUS: lambda on: on.on_get_batch_status,
    endpoint_batches.SEARCH_ENDPOINTS: lambda on: on.on_search_endpoints,
    endpoint_batches.DELETE_ENDPOINTS: lambda on: on.on_delete_endpoints,
}
_RELATIONS: dict[AnyOperation, Callable[[RelationHandlers], Handler]] = {
    relations.LIST_RELATIONS: lambda on: on.on_list_relations,
    relations.LINK_ENDPOINTS: lambda on: on.on_link_endpoints,
    relations.UNLINK_ENDPOINTS: lambda on: on.on_unlink_endpoints,
}
_FILTERS: dict[AnyOperation, Callable[[FilterHandlers], Handler]] = {
    efe.LIST_FILTERS: lambda on: on.on_list_filters,
    efe.CREATE_FILTER: lambda on: on.on_create_filter,
    efe.GET_FILTER: lambda on: on.on_get_filter,
    efe.UPDATE_FILTER: lambda on: on.on_update_filter,
    efe.DELETE_FILTER: lambda on: on.on_delete_filter,
}
_TABLES: dict[AnyOperation, Callable[[TableHandlers], Handler]] = {
    endpoint_tables.IMPORT_ENDPOINTS: lambda on: on.on_import_endpoints,
    endpoint_tables.EXPORT_ENDPOINTS: lambda on: on.on_export_endpoints,
}
_PRESENCE: dict[AnyOperation, Callable[[PresenceHandlers], Handler]] = {
    REPORT_SEEN: lambda on: on.on_seen,
    REPORT_ALIVE: lambda on: on.on_alive,
}

SUBJECTS: tuple[AnyOperation | AnyEventType, ...] = (
    *_APPLICATIONS,
    *_ENDPOINTS,
    *_BATCHES,
    *_RELATIONS,
    *_FILTERS,
    *_TABLES,
    *_PRESENCE,
    REGISTERED,
    UNREGISTERED,
    APP_VERSION_UPDATED,
    METADATA_UPDATED,
    efe.ENDPOINT_MATCHED,
    efe.ENDPOINT_UNMATCHED,
    CONFIGURATION_UPSERTED,
    CONFIGURATION_DELETED,
    GIVEN_UP,
    CONNECTED,
    DISCONNECTED,
)


async def serve(bus: Bus, parts: Parts) -> None:
    """Answer every operation of :data:`SUBJECTS`."""
    applications, endpoints = ApplicationHandlers(parts), EndpointHandlers(parts)
    batches, presence = BatchHandlers(parts, endpoints=endpoints), PresenceHandlers(parts)
    filters, tables = FilterHandlers(parts), TableHandlers(parts)
    for operation, of_applications in _APPLICATIONS.items():
        await _serve(bus, operation, of_applications(applications))
    for operation, of_endpoints in _ENDPOINTS.items():
        await _serve(bus, operation, of_endpoints(endpoints))
    for operation, of_batches in _BATCHES.items():
        await _serve(bus, operation, of_batches(batches))
    for operation, of_relations in _RELATIONS.items():
        await _serve(bus, operation, of_relations(RelationHandlers(parts)))
    for operation, of_filters in _FILTERS.items():
        await _serve(bus, operation, of_filters(filters))
    for operation, of_tables in _TABLES.items():
        await _serve(bus, operation, of_tables(tables))
    for operation, of_presence in _PRESENCE.items():
        await _serve(bus, operation, of_presence(presence))


async def _serve(bus: Bus, operation: AnyOperation, handler: Handler) -> None:
    await bus.serve(operation.subject(bus.subjects), operation.request, handler, queue=operation.instance)


async def follow_presence(bus: Bus, parts: Parts) -> None:
    """Root task: take in what transports say of bindings, until the bus stops consuming."""
    await bus.consume(presence_consumer(bus.subjects), PresenceHandlers(parts).on_events, batch=BATCH)
