"""All routes, in the order in which the documentation shows them."""

from services.api_gateway.routes import (
    api_keys,
    app_configs,
    applications,
    audit,
    endpoint_batches,
    endpoint_tables,
    endpoints,
    filters,
    live,
    metadata,
    relations,
    senml_credentials,
    service_instances,
    time_series,
    tokens,
)
from services.api_gateway.routes.declaration import Route

ROUTES: tuple[Route, ...] = (
    *applications.ROUTES,
    *service_instances.ROUTES,
    *app_configs.ROUTES,
    *endpoints.ROUTES,
    *endpoint_batches.ROUTES,
    *endpoint_tables.ROUTES,
    *metadata.ROUTES,
    *relations.ROUTES,
    *filters.ROUTES,
    *tokens.ROUTES,
    *senml_credentials.ROUTES,
    *time_series.ROUTES,
    *live.ROUTES,
    *api_keys.ROUTES,
    *audit.ROUTES,
)
