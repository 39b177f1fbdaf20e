"""Kaa's envelope around configuration of applications, and how a part of a document is changed.

``{"<svc>":{"kaa":{"applications":{"<app>":{..., "versions":{"<v>":{...}}}}}}}``. Every service that keeps
configuration takes and gives it in this shape; what a document may hold is the owner's to check.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from libs.contracts.applications import ConfiguredPlace, WrittenConfigs
from libs.contracts.errors import BadRequestError, GroveError, PayloadTooLargeError
from libs.contracts.payload import JsonValue, check_value, encode_json

MAX_TOGETHER: Final = 200
"""Documents that may be written by one request. Each is a write, an event and a note that it was told: 15 ms
on the embedded store, and several times that on a busy machine."""

MAX_LISTED_BYTES: Final = 512 * 1024
"""Documents and names in one answer, as JSON: it is one message of at most 768 KiB."""

_VERSIONS: Final = "versions"

Configuration = Mapping[str, JsonValue]
"""A document as it is kept: what stands inside the envelope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A document of configuration, and whose it is.

    Attributes:
        application: Name of the application.
        version: Full name of the version; None = the application itself.
        document: What is configured.
        path: Where it stood in an envelope, for complaints.
    """

    application: str
    version: str | None
    document: Configuration
    path: str = ""


def wrapped(documents: Iterable[Placed], *, service: str) -> dict[str, Any]:
    """Put documents of one service instance into their envelope."""
    applications: dict[str, Any] = {}
    for each in documents:
        own = applications.setdefault(each.application, {})
        if each.version is None:
            own |= each.document
        else:
            own.setdefault(_VERSIONS, {})[each.version] = each.document
    return _around(applications, service)


def unwrapped(body: object, *, service: str, application: str, version: str | None) -> Placed:
    """Take the document of one application, or of one version, out of its envelope.

    Raises:
        BadRequestError: The envelope is for something else, or holds what may not be stored.
    """
    check_value(body)
    steps = [service, "kaa", "applications", application]
    if version is not None:
        steps += [_VERSIONS, version]
    document, path = _inside(body, steps)
    if version is None and _VERSIONS in document:
        raise BadRequestError(f"{path}.{_VERSIONS}: a version's configuration has a path of its own")
    return Placed(application=application, version=version, document=document, path=path)


def all_unwrapped(body: object, *, service: str) -> list[Placed]:
    """Take every document out of an envelope, in its order.

    An application that names versions and nothing else leaves what is configured for itself alone.

    Raises:
        BadRequestError: The envelope is for something else, holds what may not be stored, or is empty.
        PayloadTooLargeError: It has more than :data:`MAX_TOGETHER` documents.
    """
    check_value(body)
    applications, path = _inside(body, [service, "kaa", "applications"])
    found = [
        placed for name, own in applications.items() for placed in _documents_of(name, own, f"{path}.{name}")
    ]
    if not found:
        raise BadRequestError(f"{path}: holds no configuration")
    if len(found) > MAX_TOGETHER:
        raise PayloadTooLargeError(f"one request writes at most {MAX_TOGETHER} configurations")
    return found


def patched(document: Configuration, patch: Configuration) -> dict[str, JsonValue]:
    """Apply a JSON Merge Patch (RFC 7396): null removes, objects are merged, all else replaces."""
    found = dict(document)
    for name, value in patch.items():
        below = found.pop(name, None)
        if isinstance(value, dict):
            found[name] = patched(below if isinstance(below, dict) else {}, value)
        elif value is not None:
            found[name] = value
    return found


def written(documents: Iterable[Placed]) -> WrittenConfigs:
    """Name what was written."""
    return WrittenConfigs([ConfiguredPlace(each.application, each.version) for each in documents])


def stopped(error: GroveError, at: Placed, *, number: int, of: int) -> GroveError:
    """Say how far writing several documents came before one of them failed."""
    phrase = f"{number} of {of} configurations are written, then {at.path} failed: {error.reason_phrase}"
    return type(error)(phrase)


class Listing:
    """Documents of one answer, as many as fit into a message."""

    def __init__(self, *, service: str) -> None:
        self._service = service
        self._bytes = 0
        self._found: list[Placed] = []

    def add(self, placed: Placed) -> None:
        """Take in one more.

        Raises:
            PayloadTooLargeError: Together they have more than :data:`MAX_LISTED_BYTES`.
        """
        names = len(placed.application) + len(placed.version or "")
        self._bytes += len(encode_json(placed.document)) + names
        if self._bytes > MAX_LISTED_BYTES:
            raise PayloadTooLargeError(
                f"the configurations of {self._service} have more than {MAX_LISTED_BYTES} bytes together; "
                "read them application by application"
            )
        self._found.append(placed)

    @property
    def all(self) -> list[Placed]:
        """What was taken in, by application: each in front of its versions."""
        return sorted(self._found, key=lambda each: (each.application, each.version or ""))


def _documents_of(name: str, value: JsonValue, path: str) -> Iterable[Placed]:
    members = _object(value, path)
    own = {key: item for key, item in members.items() if key != _VERSIONS}
    if own or _VERSIONS not in members:
        yield Placed(application=name, version=None, document=own, path=path)
    path = f"{path}.{_VERSIONS}"
    for version, document in _object(members.get(_VERSIONS, {}), path).items():
        here = f"{path}.{version}"
        yield Placed(application=name, version=version, document=_object(document, here), path=here)


def _inside(body: object, steps: Iterable[str]) -> tuple[dict[str, JsonValue], str]:
    path = "$"
    for step in steps:
        members = _object(body, path)
        if set(members) != {step}:
            raise BadRequestError(f"{path}: must hold {step!a} and nothing else")
        body, path = members[step], f"{path}.{step}"
    return _object(body, path), path


def _object(value: object, path: str) -> dict[str, JsonValue]:
    if not isinstance(value, dict):
        raise BadRequestError(f"{path}: must be an object")
    return value


def _around(applications: Mapping[str, Any], service: str) -> dict[str, Any]:
    return {service: {"kaa": {"applications": applications}}}
