"""The filters of an application, and which of them an endpoint matches.

They are one thing, so that whoever judges an endpoint judges it by all of them as they were at one moment.
The *generation* names that moment: it grows whenever a query comes, changes or goes. An endpoint remembers
the generation by which it was judged last; ``matching`` among the use cases says what follows from that.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from libs.contracts.errors import BadRequestError, ConflictError, NotFoundError
from libs.contracts.ids import ApplicationName
from libs.contracts.instants import iso_ms
from libs.contracts.payload import JsonValue
from services.endpoint_register.domain.endpoint import Endpoint
from services.endpoint_register.domain.holdings import Values
from services.endpoint_register.domain.queries import Query

MAX_FILTERS: Final = 100
MAX_TOGETHER: Final = 1000
"""Conditions of all filters of an application: each endpoint is judged by them with each of its changes."""
MAX_NAME: Final = 256
MAX_DESCRIPTION_BYTES: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A group of endpoints by what they hold.

    Attributes:
        id: Random; never changes.
        name: Unique in the application.
        description: For people.
        query: What an endpoint must fit.
        created_at: When it came.
        updated_at: When any of the above last changed.
        is_active: Whether all endpoints there are have been judged by this query.
        revision: Counts its changes.
    """

    id: str
    name: str
    description: str
    query: Query
    created_at: datetime
    updated_at: datetime
    is_active: bool = False
    revision: int = 1

    @property
    def e_tag(self) -> str:
        """Entity tag of name, description and query."""
        return f'"{self.id}-{self.revision}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the endpoints have been judged by the present generation.

    Attributes:
        cursor: The key in the listing up to which they have.
        due_at: When anybody may go on; until then it is the work of whoever moved this.
    """

    cursor: str
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterSet:
    """All filters of an application.

    Attributes:
        application: Whose.
        revision: Counts its changes; every write is a compare-and-set on it. 0 = there is nothing yet.
        edition: Counts its changes but for progress: what is remembered of a set stays true while endpoints
            are judged by it.
        generation: By which an endpoint is judged; milliseconds of the clock at least, so that the filters of
            an application that was removed and created again are of a higher one.
        filters: Oldest first.
        progress: How far endpoints are judged; None = all are.
    """

    application: ApplicationName
    revision: int = 0
    edition: int = 0
    generation: int = 0
    filters: tuple[Filter, ...] = ()
    progress: Progress | None = None

    def find(self, filter_id: str) -> Filter:
        """Find a filter.

        Raises:
            NotFoundError: There is none.
        """
        found = next((each for each in self.filters if each.id == filter_id), None)
        if found is None:
            raise NotFoundError(f"application {self.application} has no filter {filter_id[:64]!a}")
        return found

    def holds(self, filter_id: str) -> bool:
        """Tell whether a filter is one of these."""
        return any(each.id == filter_id for each in self.filters)

    def with_new(self, new: Filter) -> "FilterSet":
        """Add a filter.

        Raises:
            ConflictError: Its name is taken, or it would be one too many, or conditions would be.
        """
        if len(self.filters) >= MAX_FILTERS:
            raise ConflictError(
                f"application {self.application} has {MAX_FILTERS} filters, and cannot have more"
            )
        self._check_free(new)
        return self._judged_anew((*self.filters, new), at=new.created_at)

    def with_changed(self, changed: Filter) -> "FilterSet":
        """Put a changed filter in place of what it was; with another query it is pending.

        Raises:
            ConflictError: Its name is taken, or conditions would be too many.
        """
        self._check_free(changed)
        before = self.find(changed.id)
        after = replace(changed, revision=before.revision + 1)
        if after.query.text != before.query.text:
            return self._judged_anew(self._with(replace(after, is_active=False)), at=changed.updated_at)
        return replace(self._edited(), filters=self._with(after))

    def without(self, filter_id: str, *, at: datetime) -> "FilterSet":
        """Take a filter away."""
        return self._judged_anew(tuple(each for each in self.filters if each.id != filter_id), at=at)

    def advanced(self, cursor: str, *, due_at: datetime) -> "FilterSet":
        """Note how far the endpoints have been judged, and until when that is somebody's work."""
        return replace(self, revision=self.revision + 1, progress=Progress(cursor=cursor, due_at=due_at))

    def finished(self) -> "FilterSet":
        """All endpoints have been judged."""
        active = tuple(replace(each, is_active=True) for each in self.filters)
        return replace(self._edited(), filters=active, progress=None)

    def matched_by(self, endpoint: Endpoint) -> tuple[str, ...]:
        """Name the filters an endpoint matches; it must have its metadata."""
        if not self.filters:
            return ()
        values = Values(_document_of(endpoint))
        return tuple(each.id for each in self.filters if each.query.matches(values))

    def are_older_for(self, endpoint: Endpoint) -> bool:
        """Tell whether it was judged by newer ones, or by those of an earlier application of this name."""
        return endpoint.filters_as_of > self.generation

    def grouping(self, endpoint: Endpoint, ids: tuple[str, ...], *, correlation_id: str) -> Endpoint:
        """Let an endpoint match these, as judged by this generation."""
        names = {each.id: each.name for each in self.filters}
        return endpoint.grouped(ids, names=names, as_of=self.generation, correlation_id=correlation_id)

    @property
    def stamp(self) -> tuple[int, int]:
        """What tells it from every other set of its application, created again or not, but for progress."""
        return self.edition, self.generation

    def _edited(self) -> "FilterSet":
        return replace(self, revision=self.revision + 1, edition=self.edition + 1)

    def _with(self, changed: Filter) -> tuple[Filter, ...]:
        return tuple(changed if each.id == changed.id else each for each in self.filters)

    def _check_free(self, wanted: Filter) -> None:
        if any(each.name == wanted.name and each.id != wanted.id for each in self.filters):
            raise ConflictError(f"application {self.application} has a filter {wanted.name[:64]!a} already")

    def _judged_anew(self, filters: tuple[Filter, ...], *, at: datetime) -> "FilterSet":
        conditions = sum(each.query.conditions for each in filters)
        if conditions > max(MAX_TOGETHER, sum(each.query.conditions for each in self.filters)):
            raise ConflictError(
                f"the filters of application {self.application} would have {conditions} conditions together, "
                f"the limit is {MAX_TOGETHER}"
            )
        return replace(
            self._edited(),
            generation=max(self.generation + 1, int(at.timestamp() * 1000)),
            filters=filters,
            progress=Progress(cursor="", due_at=at),
        )


def judged_if_other(endpoint: Endpoint, filters: FilterSet) -> Endpoint | None:
    """Let an endpoint match what it matches; None when it does already, for that is not worth a write."""
    return None if filters.are_older_for(endpoint) else judged_anyhow(endpoint, filters)


def judged_anyhow(endpoint: Endpoint, filters: FilterSet) -> Endpoint | None:
    """The same, whatever it was judged by."""
    ids = filters.matched_by(endpoint)
    return None if ids == endpoint.filters else filters.grouping(endpoint, ids, correlation_id="")


def check_filter_texts(texts: Mapping[str, str]) -> None:
    """Accept name and description, as far as they are given.

    Raises:
        BadRequestError: One of them is too long, or the name is empty.
    """
    name = texts.get("name")
    if name is not None and not 1 <= len(name) <= MAX_NAME:
        raise BadRequestError(f"name must have 1 to {MAX_NAME} characters")
    if len(texts.get("description", "").encode()) > MAX_DESCRIPTION_BYTES:
        raise BadRequestError(f"description must have at most {MAX_DESCRIPTION_BYTES} bytes in UTF-8")


def named_so(filters: Iterable[Filter], name: str | None) -> list[Filter]:
    """Keep the filters of this name, or all."""
    return [each for each in filters if name in {None, each.name}]


def _document_of(endpoint: Endpoint) -> dict[str, JsonValue]:
    """Spell an endpoint as queries see it: as REST shows it."""
    document: dict[str, JsonValue] = {
        "endpointId": endpoint.id,
        "createdDate": iso_ms(endpoint.created_at),
        "appVersion": {"name": endpoint.version, "registeredDate": iso_ms(endpoint.version_since)},
        "metadata": dict(endpoint.metadata),
    }
    if endpoint.metadata_updated_at is not None:
        document["metadataUpdatedDate"] = iso_ms(endpoint.metadata_updated_at)
    return document
