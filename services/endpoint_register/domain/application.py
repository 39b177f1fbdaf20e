"""An application with its versions: one thing, changed by compare-and-set on ``revision``.

CLOSING comes before every removal that is only allowed when nothing is left inside: new endpoints
are refused from then on, so what is counted afterwards cannot grow. It goes back to ACTIVE if
something is left. DELETING is final, hidden, and resumed until the application is gone.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any, Final

from libs.contracts.errors import BadRequestError, ConflictError, NotFoundError
from libs.contracts.ids import ApplicationName, AppVersionName, version_name
from libs.contracts.instants import iso_ms

MAX_DISPLAY_NAME: Final = 256
MAX_DESCRIPTION_BYTES: Final = 1024
MAX_VERSIONS: Final = 100
"""An application with all of its versions is one message on the bus, whatever their texts are."""

XID_CHANCE_BYTES: Final = 8


class Lifecycle(Enum):
    """Where an application or a version is in its life."""

    ACTIVE = "active"
    CLOSING = "closing"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What people see of an application or a version; only this can change."""

    display_name: str
    description: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AppVersion:
    """A version.

    Attributes:
        name: ``<application>-<suffix>``.
        shown: What people see.
        attempt: Names the request that made it: tells our own write from somebody else's.
        lifecycle: Whether endpoints may come.
    """

    name: AppVersionName
    shown: Described
    attempt: str
    lifecycle: Lifecycle = Lifecycle.ACTIVE

    @property
    def suffix(self) -> str:
        return self.name.rpartition("-")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """An application.

    Attributes:
        name: Given or generated; never changes.
        shown: What people see.
        attempt: Names the request that made it.
        lifecycle: Whether versions and endpoints may come.
        unfinished_since: When a removal began, its own or of a version; None = none goes on.
        revision: Counts its changes.
        versions: By suffix, oldest first.
    """

    name: ApplicationName
    shown: Described
    attempt: str
    lifecycle: Lifecycle = Lifecycle.ACTIVE
    unfinished_since: datetime | None = None
    revision: int = 0
    versions: Mapping[str, AppVersion] = field(default_factory=dict)

    @property
    def is_unfinished(self) -> bool:
        """Whether something is being removed, the application itself or a version."""
        stages = {self.lifecycle, *(version.lifecycle for version in self.versions.values())}
        return stages != {Lifecycle.ACTIVE}

    def version(self, name: str) -> AppVersion:
        """Find a version by its full name.

        Raises:
            NotFoundError: There is none, or it is of another application.
        """
        version = self.versions.get(name.rpartition("-")[2])
        if version is None or version.name != name:
            raise NotFoundError(f"application {self.name} has no version {name!a}")
        return version

    def open_version(self, name: str) -> AppVersion:
        """Find a version to which endpoints may come.

        Raises:
            NotFoundError: There is none.
            ConflictError: It is about to be removed.
        """
        version = self.version(name)
        if Lifecycle.ACTIVE is not self.lifecycle or Lifecycle.ACTIVE is not version.lifecycle:
            raise ConflictError(f"version {name} is being removed")
        return version

    def with_version(self, version: AppVersion) -> "Application":
        """Add a version, or put a changed one in its place.

        Raises:
            ConflictError: It would be one too many.
        """
        if version.suffix not in self.versions and len(self.versions) >= MAX_VERSIONS:
            raise ConflictError(f"application {self.name} has {MAX_VERSIONS} versions, and cannot have more")
        return self._changed(versions={**self.versions, version.suffix: version})

    def without_version(self, name: str) -> "Application":
        """Remove a version that has been closed.

        Raises:
            ConflictError: It was opened again meanwhile.
        """
        version = self.version(name)
        if version.lifecycle is not Lifecycle.CLOSING:
            raise ConflictError(f"version {name} was opened again; repeat the request")
        kept = {suffix: kept for suffix, kept in self.versions.items() if suffix != version.suffix}
        return self._changed(versions=kept)

    def with_shown(self, shown: Described) -> "Application":
        """Change what people see."""
        return self._changed(shown=shown)

    def closing(self, version: AppVersion | None, *, at: datetime) -> "Application":
        """Take no more endpoints: at one version, or at all."""
        if version is None:
            return self._changed(lifecycle=Lifecycle.CLOSING, unfinished_since=at)
        closed = replace(version, lifecycle=Lifecycle.CLOSING)
        return self._changed(versions={**self.versions, version.suffix: closed}, unfinished_since=at)

    def reopened(self, suffix: str | None) -> "Application":
        """Take endpoints again, at one version or at the application: something is left inside."""
        if suffix is None:
            return self._changed(lifecycle=Lifecycle.ACTIVE)
        versions = dict(self.versions)
        if suffix in versions:
            versions[suffix] = replace(versions[suffix], lifecycle=Lifecycle.ACTIVE)
        return self._changed(versions=versions)

    def all_reopened(self) -> "Application":
        """Take endpoints again everywhere: whoever closed something is dead."""
        versions = {
            suffix: replace(version, lifecycle=Lifecycle.ACTIVE) for suffix, version in self.versions.items()
        }
        return self._changed(lifecycle=Lifecycle.ACTIVE, versions=versions)

    def deleting(self, *, at: datetime, force: bool) -> "Application":
        """Be gone for everybody, and be removed in the end.

        Raises:
            ConflictError: It was opened again after it had been found empty.
        """
        if not force and self.lifecycle is not Lifecycle.CLOSING:
            raise ConflictError(f"application {self.name} was opened again; repeat the request")
        return self._changed(lifecycle=Lifecycle.DELETING, unfinished_since=at)

    def _changed(self, **changes: Any) -> "Application":  # noqa: ANN401 - handed to replace() as they are
        changed = replace(self, revision=self.revision + 1, **changes)
        return changed if changed.is_unfinished else replace(changed, unfinished_since=None)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where an application stands in lists: by age.

    Attributes:
        created: ISO 8601, so that it sorts as text.
        name: Of the application.
    """

    created: str
    name: ApplicationName

    @classmethod
    def of(cls, application: Application) -> "Place":
        """Find the place of an application."""
        return cls(iso_ms(application.shown.created_at), application.name)

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Read what :meth:`__str__` gave; what is empty comes before all applications."""
        created, _, name = text.partition("/")
        return cls(created, ApplicationName(name))

    def __str__(self) -> str:
        """Spell it for whoever goes on after it."""
        return f"{self.created}/{self.name}"


def full_name(application: Application, suffix: str) -> AppVersionName:
    """Name a version of an application.

    Raises:
        ConflictError: The application has it already.
    """
    if suffix in application.versions:
        raise ConflictError(f"application {application.name} has a version {suffix} already")
    return version_name(application.name, suffix)


def described(display_name: str | None, description: str | None, *, name: str, at: datetime) -> Described:
    """Make what people see of something new.

    Raises:
        BadRequestError: A text is too long.
    """
    check_texts(display_name or "", description or "")
    shown_name = name if display_name is None else display_name
    return Described(display_name=shown_name, description=description or "", created_at=at, updated_at=at)


def check_texts(display_name: str, description: str) -> None:
    """Accept texts for people: an application has to fit into one message.

    Raises:
        BadRequestError: One of them is too long.
    """
    if len(display_name) > MAX_DISPLAY_NAME:
        raise BadRequestError(f"displayName must have at most {MAX_DISPLAY_NAME} characters")
    if len(description.encode()) > MAX_DESCRIPTION_BYTES:
        raise BadRequestError(f"description must have at most {MAX_DESCRIPTION_BYTES} bytes in UTF-8")


def generated_name(at: datetime, chance: bytes) -> ApplicationName:
    """Make a 20-character name in the manner of Kaa's xids: seconds and chance, base32hex."""
    raw = int(at.timestamp()).to_bytes(4, "big") + chance
    return ApplicationName(base64.b32hexencode(raw).decode().rstrip("=").lower())
