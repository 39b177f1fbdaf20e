"""That one endpoint contains another: between two lives of endpoints, and over with either."""

from dataclasses import dataclass
from typing import Final, Literal

from libs.contracts.ids import ApplicationName, EndpointId
from services.endpoint_register.domain.endpoint import Endpoint

MAX_RELATIONS: Final = 1000
"""Relations of one endpoint in either direction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end of a relation.

    Attributes:
        endpoint_id: Whose.
        incarnation: Which life of that id.
        application: Where it belongs.
    """

    endpoint_id: EndpointId
    incarnation: str
    application: ApplicationName

    @classmethod
    def of(cls, endpoint: Endpoint) -> "End":
        """Name an endpoint as it lives now."""
        return cls(
            endpoint_id=endpoint.id, incarnation=endpoint.incarnation, application=endpoint.application
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A relation; nothing about it ever changes.

    Attributes:
        kind: What it says.
        source: Who contains.
        target: Who is contained.
    """

    kind: Literal["contains"] = "contains"
    source: End
    target: End

    @property
    def order(self) -> tuple[str, str, str]:
        """Its place in lists."""
        return self.kind, self.source.endpoint_id, self.target.endpoint_id

    def other(self, end: End) -> End:
        """The end that is not this one."""
        return self.target if self.source == end else self.source
