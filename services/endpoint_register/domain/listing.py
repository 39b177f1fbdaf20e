"""The order of endpoints in lists, as one text key per order and scope.

Each key begins with what a list can be limited to and ends with the endpoint id, so a page is one
range of one single-field index in its own order: that is the only sort which neither MongoDB nor the
embedded store does in memory. ``/`` separates, because it sorts before every character of an id and
occurs in none; the range below a prefix ends where its last character is the next one.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum

from libs.contracts.errors import BadRequestError
from libs.contracts.ids import ApplicationName, AppVersionName, EndpointId
from libs.contracts.instants import iso_ms
from services.endpoint_register.domain.endpoint import Endpoint

KEYS = ("id", "created", "version", "applicationId", "applicationCreated", "versionCreated")
"""Every key an endpoint is listed under."""


class Order(Enum):
    """What a list can be sorted by."""

    ENDPOINT_ID = "endpointId"
    CREATED = "createdDate"
    APP_VERSION = "appVersion"


@dataclass(frozen=True, slots=True)
class Range:
    """Part of one order.

    Attributes:
        key: Which of :data:`KEYS`.
        prefix: What the keys begin with; empty = all.
        descending: From the end.
        filter_id: Only what matches this filter; None = all.
    """

    key: str
    prefix: str
    descending: bool
    filter_id: str | None = None

    @property
    def end(self) -> str:
        """The first key after all that begin with the prefix; of a range with one."""
        return f"{self.prefix[:-1]}{chr(ord(self.prefix[-1]) + 1)}"

    def bounds(self, after: str = "") -> tuple[str, str | None]:
        """Spell what is left of it as ``low <= key < high``; without ``high`` it has no end.

        Args:
            after: The key behind which it goes on, in its direction; empty = all of it.
        """
        high = self.end if self.prefix else None
        if not after:
            return self.prefix, high
        # "!" sorts before every character of a key: what begins so is the next key, whatever it is.
        return (self.prefix, after) if self.descending else (f"{after}!", high)

    def holds(self, keys: Mapping[str, str], filters: Collection[str]) -> bool:
        """Tell whether what is listed under these keys and matches these filters belongs here."""
        matches = self.filter_id is None or self.filter_id in filters
        return matches and keys[self.key].startswith(self.prefix)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One line of a list.

    Attributes:
        endpoint_id: Whom to show there.
        incarnation: Which one of that id was meant.
        seq: As of which of its changes; a line never goes back to an earlier one.
        keys: The keys it is listed under, by name.
        filters: Ids of the filters it matches.
    """

    endpoint_id: EndpointId
    incarnation: str
    seq: int
    keys: Mapping[str, str]
    filters: tuple[str, ...] = ()

    def precedes(self, line: "Listed") -> bool:
        """Tell whether the other one is of a later change of the same incarnation."""
        return self.incarnation == line.incarnation and self.seq < line.seq

    def is_behind(self, endpoint: Endpoint) -> bool:
        """Tell whether it says something else than the endpoint it is about."""
        return self.keys != keys_of(endpoint) or self.filters != endpoint.filters


def listed(endpoint: Endpoint) -> Listed:
    """Spell the line of an endpoint."""
    return Listed(
        endpoint_id=endpoint.id,
        incarnation=endpoint.incarnation,
        seq=endpoint.seq,
        keys=keys_of(endpoint),
        filters=endpoint.filters,
    )


def keys_of(endpoint: Endpoint) -> dict[str, str]:
    """Spell the keys an endpoint is listed under."""
    application, created = endpoint.application, iso_ms(endpoint.created_at)
    version = _version_prefix(endpoint.version)
    return {
        "id": endpoint.id,
        "created": f"{created}/{endpoint.id}",
        "version": f"{version}{endpoint.id}",
        "applicationId": f"{application}/{endpoint.id}",
        "applicationCreated": f"{application}/{created}/{endpoint.id}",
        "versionCreated": f"{version}{created}/{endpoint.id}",
    }


def range_of(
    order: Order,
    *,
    descending: bool,
    application: ApplicationName | None = None,
    version: AppVersionName | None = None,
    id_prefix: str = "",
) -> Range:
    """Find the range that holds the endpoints of an application, of a version, or all, in order.

    Args:
        order: By what they are sorted.
        descending: From the end.
        application: Only this one's; None = of all.
        version: Only those at this one; None = at all.
        id_prefix: Only ids that begin so; in the order of ids alone.
    """
    if version is not None:
        key = "versionCreated" if order is Order.CREATED else "version"
        return Range(key, _version_prefix(version) + id_prefix, descending)
    if application is not None:
        key = {
            Order.ENDPOINT_ID: "applicationId",
            Order.CREATED: "applicationCreated",
            Order.APP_VERSION: "version",
        }[order]
        return Range(key, f"{application}/{id_prefix}", descending)
    key = {Order.ENDPOINT_ID: "id", Order.CREATED: "created", Order.APP_VERSION: "version"}[order]
    return Range(key, id_prefix, descending)


def parse_sort(sort: str | None) -> tuple[Order, bool]:
    """Read ``<field>`` or ``-<field>``; oldest first when absent.

    Raises:
        BadRequestError: It is no field that lists can be sorted by.
    """
    if sort is None:
        return Order.CREATED, False
    try:
        return Order(sort.removeprefix("-")), sort.startswith("-")
    except ValueError:
        known = ", ".join((*(order.value for order in Order), "lastSeen", "metadata.<key>"))
        raise BadRequestError(f"sort must be one of {known}, with - for descending") from None


def _version_prefix(version: AppVersionName) -> str:
    application, _, suffix = version.rpartition("-")
    return f"{application}/{suffix}/"
