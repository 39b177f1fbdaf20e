"""The table of everything that can be called, one module a prefix; all else is derived from it."""

from services.api_gateway.routes.declaration import Document, Link, Location, Route, Table, Tag
from services.api_gateway.routes.parameters import Parameter, Place
from services.api_gateway.routes.table import ROUTES

__all__ = ["ROUTES", "Document", "Link", "Location", "Parameter", "Place", "Route", "Table", "Tag"]
