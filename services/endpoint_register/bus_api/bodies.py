"""Entities as REST shows them (Kaa EPR and Tekton)."""

from datetime import datetime, timedelta

from msgspec import UNSET, UnsetType

from libs.contracts import applications as application_contract
from libs.contracts import endpoints as endpoint_contract
from libs.contracts import filters as filter_contract
from libs.contracts.instants import iso_ms
from services.endpoint_register.domain.application import Application, AppVersion
from services.endpoint_register.domain.connectivity import Connectivity
from services.endpoint_register.domain.endpoint import Endpoint
from services.endpoint_register.domain.filters import Filter


def application_body(application: Application) -> application_contract.Application:
    """Show an application with its versions."""
    shown = application.shown
    return application_contract.Application(
        name=application.name,
        display_name=shown.display_name,
        description=shown.description,
        created_date=iso_ms(shown.created_at),
        updated_date=iso_ms(shown.updated_at),
        versions=[version_body(version) for version in application.versions.values()],
    )


def version_body(version: AppVersion) -> application_contract.AppVersion:
    """Show a version."""
    shown = version.shown
    return application_contract.AppVersion(
        name=version.name,
        display_name=shown.display_name,
        description=shown.description,
        created_date=iso_ms(shown.created_at),
        updated_date=iso_ms(shown.updated_at),
    )


def endpoint_body(
    endpoint: Endpoint,
    include: tuple[endpoint_contract.EndpointInclude, ...],
    *,
    filters: list[str] | None = None,
    connectivity: endpoint_contract.EndpointConnectivity | UnsetType = UNSET,
) -> endpoint_contract.Endpoint:
    """Show an endpoint, with what is included."""
    updated_at = endpoint.metadata_updated_at
    return endpoint_contract.Endpoint(
        endpoint_id=endpoint.id,
        created_date=iso_ms(endpoint.created_at),
        app_version=endpoint_version_body(endpoint),
        metadata=dict(endpoint.metadata) if "metadata" in include else UNSET,
        metadata_updated_date=UNSET if updated_at is None else iso_ms(updated_at),
        filters=UNSET if filters is None else filters,
        connectivity=connectivity,
    )


def filter_body(one: Filter, *, matched: int) -> filter_contract.EndpointFilter:
    """Show a filter and how many endpoints match it."""
    return filter_contract.EndpointFilter(
        id=one.id,
        name=one.name,
        description=one.description,
        mongo_query=one.query.text,
        status="active" if one.is_active else "pending",
        matched_endpoints_count=matched,
        created_date=iso_ms(one.created_at),
        updated_date=iso_ms(one.updated_at),
    )


def connectivity_body(
    record: Connectivity | None, *, now: datetime, active_for: timedelta
) -> endpoint_contract.EndpointConnectivity:
    """Show how an endpoint is reached; without a record it was never heard."""
    if record is None:
        return endpoint_contract.EndpointConnectivity(connected=False, active=False)
    return endpoint_contract.EndpointConnectivity(
        connected=record.connected,
        active=record.is_active(now=now, within=active_for),
        transport=record.transport,
        connected_since=UNSET if record.since is None else iso_ms(record.since),
        last_seen=UNSET if record.last_seen is None else iso_ms(record.last_seen),
    )


def endpoint_version_body(endpoint: Endpoint) -> endpoint_contract.EndpointAppVersion:
    """Show the version an endpoint is at."""
    return endpoint_contract.EndpointAppVersion(
        name=endpoint.version, registered_date=iso_ms(endpoint.version_since)
    )
