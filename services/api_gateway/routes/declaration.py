"""What one line of the route table says, and what follows from it.

A route names an operation of :mod:`libs.contracts` and where in HTTP its request Struct comes
from: fields named in the path template come from the path, ``if_match`` and ``if_none_match``
from their headers, ``body`` is the decoded and checked JSON body, ``payload`` the raw one, and all
that is left are query parameters. So a field added to a Struct is a parameter at once.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from http import HTTPStatus
from typing import Any, Final

import msgspec

from libs.contracts.api_keys import Scope
from libs.contracts.messages import ManagementRequest
from libs.contracts.subjects import Operation
from services.api_gateway.routes.errors import errors_of
from services.api_gateway.routes.parameters import Parameter, Place, parameters_of

METADATA_BYTES: Final = 256 * 1024
"""Largest metadata document."""
BODY_BYTES: Final = 768 * 1024
"""Largest body of any other kind: nothing larger crosses the bus."""

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, kw_only=True)
class Tag:
    """A chapter of the documentation."""

    name: str
    description: str


@dataclass(frozen=True, kw_only=True)
class Location:
    """Where what was created can be found.

    Attributes:
        path: A path template.
        takes: Placeholder to the field of the answer that fills it; the others are filled from
            the path of the request.
    """

    path: str
    takes: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Link:
    """What can be called next with something of an answer, or of the request that was answered.

    Calls that need nothing but what ``location`` tells are linked by themselves.

    Attributes:
        to: Operation id.
        parameters: Parameters of that call, as OpenAPI's runtime expressions: ``$response.body#/name``.
        body: Fields of its body, nested as they are there; the others are the caller's.
    """

    to: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Document:
    """A JSON body that goes to the owner as it is, byte by byte.

    Attributes:
        schema: JSON Schema, for documentation.
        kind: Python type the decoded document must have; ``object`` = any JSON value.
        media_type: When it is not ``application/json``, the only Content-Type taken.
    """

    schema: Mapping[str, Any]
    kind: type = object
    media_type: str = "application/json"


class Table(Enum):
    """Which way a table of endpoints goes."""

    IMPORT = "import"
    EXPORT = "export"


@dataclass(frozen=True, kw_only=True)
class Route:
    """One method on one path.

    Attributes:
        tag: Its chapter.
        method: HTTP method; a GET also answers HEAD.
        path: Template; placeholders are names of fields of the request.
        operation: What is asked of whom.
        scope: The least scope of an API key that may call it.
        summary: A few words.
        description: What the summary cannot say; paragraphs are separated by empty lines.
        success: HTTP status when it went well.
        location: Of what it creates (201).
        links: Calls that can follow, besides those that follow from ``location``.
        fixed: Fields of the request this route does not offer: their defaults are sent.
        from_caller: Fields filled with the caller's own API key.
        ignored: Query parameters Kaa has and we accept without effect, and what they mean there.
        document: The body when the request has a ``payload``.
        answer: JSON Schema of the answer when the reply has a ``payload``; None = no body.
        request_example: A body that works.
        response_example: What a success answers.
        errors: Status to reason, where the usual one does not say enough.
        timeout_s: Longest wait for the owner, when the usual one is too short.
        by_instance: Service instance to the operation asked instead, with the same messages.
        only_asks: Whether it changes nothing although its method says otherwise, such as a search by POST.
        streamed: Whether the answer is points of time series, page by page, in the form the caller accepts.
        live: Whether the gateway answers itself, with events that do not end; nobody is asked.
        table: Whether it takes or gives a table of endpoints, row by row.
        texts: Answers that are text, an example by media type.
    """

    tag: Tag
    method: str
    path: str
    operation: Operation[Any, Any]
    scope: Scope
    summary: str
    description: str
    success: int = 200
    location: Location | None = None
    links: tuple[Link, ...] = ()
    fixed: tuple[str, ...] = ()
    from_caller: tuple[str, ...] = ()
    ignored: Mapping[str, str] = field(default_factory=dict)
    document: Document | None = None
    answer: Mapping[str, Any] | None = None
    request_example: Any = None
    response_example: Any = None
    errors: Mapping[int, str] = field(default_factory=dict)
    timeout_s: float | None = None
    by_instance: Mapping[str, Operation[Any, Any]] = field(default_factory=dict)
    only_asks: bool = False
    streamed: bool = False
    live: bool = False
    table: Table | None = None
    texts: Mapping[str, str] = field(default_factory=dict)

    def operation_for(self, message: msgspec.Struct) -> Operation[Any, Any]:
        """What is asked of whom for this request."""
        return self.by_instance.get(getattr(message, "service_instance_name", ""), self.operation)

    @cached_property
    def operation_id(self) -> str:
        """Name for generated clients: ``listEndpoints``; a second route adds what sets it apart."""
        name: str = self.operation.request.__name__
        return name[0].lower() + name[1:] + ("OfApplication" if self.fixed else "")

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """What comes from path, query and headers, in that order."""
        placeholders = tuple(_PLACEHOLDER.findall(self.path))
        return parameters_of(
            self.operation.request, placeholders=placeholders, without=(*self.fixed, *self.from_caller)
        )

    @cached_property
    def body_type(self) -> Any:  # noqa: ANN401 - a type expression
        """Type of a decoded JSON body; None when the request has none."""
        return _type_of(self.operation.request, "body")

    @cached_property
    def reply_type(self) -> Any:  # noqa: ANN401 - a type expression, such as list[Application]
        """Type of the JSON answer; None when there is none, or when :attr:`answer` tells it."""
        if self.success == HTTPStatus.NO_CONTENT:
            return None
        return _type_of(self.operation.reply, "body")

    @property
    def changes(self) -> bool:
        """Whether it changes something, so that each call is in the audit trail."""
        return self.method != "GET" and not self.only_asks

    @property
    def has_body(self) -> bool:
        """Whether a request has a body."""
        return self.document is not None or self.body_type is not None

    @property
    def max_body_bytes(self) -> int:
        """Largest body taken; more is a 413."""
        return METADATA_BYTES if self.document is not None else BODY_BYTES

    @property
    def tells_e_tag(self) -> bool:
        """Whether a success has an ETag header."""
        return "e_tag" in self.operation.reply.__struct_fields__

    @property
    def whole(self) -> bool:
        """Whether it concerns no single application, so that limited keys may not call it."""
        return not issubclass(self.operation.request, ManagementRequest) and not self.from_caller

    @cached_property
    def all_errors(self) -> Mapping[int, str]:
        """Every status it may answer besides success, with the reason, in order."""
        found = errors_of(
            method=self.method,
            parameters=self.parameters,
            max_body_bytes=self.max_body_bytes if self.has_body else None,
            media_type=self.document.media_type if self.document else "application/json",
        )
        return dict(sorted({**found, **self.errors}.items()))

    def parameters_in(self, place: Place) -> tuple[Parameter, ...]:
        """Parameters of one place."""
        return tuple(parameter for parameter in self.parameters if parameter.place is place)


def _type_of(message: type[msgspec.Struct], attribute: str) -> Any:  # noqa: ANN401 - a type expression
    found = next((each.type for each in msgspec.structs.fields(message) if each.name == attribute), None)
    inner = [each for each in getattr(found, "__args__", ()) if each is not type(None)]
    return inner[0] if type(None) in getattr(found, "__args__", ()) else found
