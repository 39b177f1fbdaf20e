"""All routes, in the order in which the documentation shows them."""

from services.api_gateway.routes import (
    api_keys,
    applications,
    endpoints,
    filters,
    metadata,
    senml_credentials,
    time_series,
    tokens,
)
from services.api_gateway.routes.declaration import Route

ROUTES: tuple[Route, ...] = (
    *applications.ROUTES,
    *endpoints.ROUTES,
    *metadata.ROUTES,
    *filters.ROUTES,
    *tokens.ROUTES,
    *senml_credentials.ROUTES,
    *time_series.ROUTES,
    *api_keys.ROUTES,
)
