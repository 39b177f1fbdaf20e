"""Find the route of a request: by its path as it was sent, so that ``%2F`` stays inside a name."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    """Looks routes up level by level; a fixed level wins over a placeholder where both lead to a route."""

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
        wanted = "GET" if method == "HEAD" else method
        allowed: set[str] = set()
        for node in _nodes(self._root, levels):
            if (route := node.routes.get(wanted)) is not None:
                return Match(route, _values(route, levels))
            allowed.update(node.routes)
        if not allowed:
            raise NotFoundError("there is nothing here; /docs lists what there is")
        raise MethodNotAllowedError(method, {*allowed, *(["HEAD"] if "GET" in allowed else [])})


def _levels(path: str) -> list[str]:
    return path.removeprefix("/").split("/")


def _child(node: _Node, level: str) -> _Node:
    if not level.startswith("{"):
        return node.fixed.setdefault(level, _Node())
    node.variable = node.variable or _Node()
    return node.variable


def _nodes(node: _Node, levels: Sequence[str]) -> Iterator[_Node]:
    """Find every node of a path: an endpoint called ``batch`` is still read, moved and deleted."""
    if not levels:
        yield node
        return
    fixed = node.fixed.get(levels[0])
    for below in (fixed, node.variable if levels[0] else None):
        if below is not None:
            yield from _nodes(below, levels[1:])


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
