"""Find the route of a request: by its path as it was sent, so that ``%2F`` stays inside a name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from libs.contracts.errors import GroveError, NotFoundError
from services.api_gateway.problems import InvalidRequestError, Problem
from services.api_gateway.routes import Route


class MethodNotAllowedError(GroveError):
    """The path exists, the method on it does not.

    Attributes:
        allowed: The methods that do, as the Allow header has them.
    """

    status_code = 405
    retried = False
    default_phrase = "Method Not Allowed"

    def __init__(self, method: str, allowed: Iterable[str]) -> None:
        self.allowed = ", ".join(sorted(allowed))
        super().__init__(f"{method} is not possible here, only {self.allowed}")


@dataclass(frozen=True, slots=True)
class Match:
    """A route and what its placeholders stand for, decoded."""

    route: Route
    values: Mapping[str, str]


@dataclass(slots=True)
class _Node:
    """One level of the tree of paths."""

    fixed: dict[str, "_Node"] = field(default_factory=dict)
    variable: "_Node | None" = None
    routes: dict[str, Route] = field(default_factory=dict)


class Router:
    """Looks routes up level by level; a fixed level wins over a placeholder where it has the method."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Take a table.

        Raises:
            ValueError: Two routes have the same method and path.
        """
        self._root = _Node()
        for route in routes:
            node = self._root
            for level in _levels(route.path):
                node = _child(node, level)
            if route.method in node.routes:
                raise ValueError(f"two routes are {route.method} {route.path}")
            node.routes[route.method] = route

    def match(self, method: str, raw_path: str) -> Match:
        """Find the route for a percent-encoded path; HEAD is answered where GET is.

        Raises:
            NotFoundError: No route has this path.
            MethodNotAllowedError: Some have it, with other methods.
            InvalidRequestError: A name in the path is not UTF-8.
        """
        levels = _levels(raw_path)
        nodes = [node for node in _walk(self._root, levels) if node.routes]
        if not nodes:
            raise NotFoundError("there is nothing here; /docs lists what there is")
        wanted = "GET" if method == "HEAD" else method
        route = next((node.routes[wanted] for node in nodes if wanted in node.routes), None)
        if route is None:
            methods = {method for node in nodes for method in node.routes}
            raise MethodNotAllowedError(method, methods | ({"HEAD"} if "GET" in methods else set()))
        return Match(route, _values(route, levels))


def _levels(path: str) -> list[str]:
    return path.removeprefix("/").split("/")


def _child(node: _Node, level: str) -> _Node:
    if not level.startswith("{"):
        return node.fixed.setdefault(level, _Node())
    node.variable = node.variable or _Node()
    return node.variable


def _walk(root: _Node, levels: Iterable[str]) -> list[_Node]:
    """Find the nodes of a path, the most fixed first: an endpoint may be called like a table's route."""
    nodes = [root]
    for level in levels:
        below = [(node.fixed.get(level), node.variable if level else None) for node in nodes]
        nodes = [each for pair in below for each in pair if each is not None]
    return nodes


def _values(route: Route, levels: Iterable[str]) -> dict[str, str]:
    found = {}
    for template, level in zip(_levels(route.path), levels, strict=True):
        if template.startswith("{"):
            name = template[1:-1]
            try:
                found[name] = unquote_to_bytes(level).decode()
            except UnicodeError:
                raise InvalidRequestError([Problem(f"path.{name}", "is not UTF-8")]) from None
    return found
