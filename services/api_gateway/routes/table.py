"""All routes, in the order in which the documentation shows them."""

from services.api_gateway.routes import (
    api_keys,
    applications,
    endpoint_tables,
    endpoints,
    metadata,
    senml_credentials,
    time_series,
    tokens,
)
from services.api_gateway.routes.declaration import Route

ROUTES: tuple[Route, ...] = (
    *applications.ROUTES,
    *endpoints.ROUTES,
    *endpoint_tables.ROUTES,
    *metadata.ROUTES,
    *tokens.ROUTES,
    *senml_credentials.ROUTES,
    *time_series.ROUTES,
    *api_keys.ROUTES,
)
