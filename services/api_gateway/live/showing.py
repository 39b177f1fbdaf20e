"""What of an event which API key may see: pure rules.

An event belongs to the application that its fields name. One that names none - of a newer release, or
about no application at all - is shown to keys that are not limited. One that is about several endpoints is
narrowed to those the key may see. Events about API keys need what listing API keys needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from libs.contracts.api_keys import ApiKey, Scope, allows
from libs.contracts.data_events import CONTENT_TYPE
from libs.contracts.ids import application_of

_KEYS_ENTITY: Final = "api-key."
_APPLICATION_FIELDS: Final = ("appName", "applicationName")
_NO_LINE_BREAKS: Final = bytes.maketrans(b"\r\n", b"  ")
"""Between the parts of a JSON text line breaks are white space, and inside of strings there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An event, ready to be shown.

    Attributes:
        kind: Its type: ``endpoint.metadata.updated``.
        application: The one it belongs to; None = not known.
        endpoint_id: Whom it is about; None = nobody, or those in ``endpoints``.
        endpoints: Application of each endpoint, where it is about several; None = one, or nobody.
        fields: All of it, where it is about several; else empty.
        text: All of it as JSON in one line.
    """

    kind: str
    application: str | None
    endpoint_id: str | None
    endpoints: Mapping[str, str | None] | None
    fields: Mapping[str, Any]
    text: bytes


def read_event(kind: str, body: bytes) -> Told:
    """Read an event, whether this release knows its type or not.

    Raises:
        ValueError: It is no map of names to values that JSON can hold.
    """
    try:
        fields = msgspec.msgpack.decode(body, type=dict[str, Any])
        if fields.get("contentType") == CONTENT_TYPE and "dataSamples" in fields:
            fields["dataSamples"] = [
                msgspec.Raw(sample.translate(_NO_LINE_BREAKS)) for sample in fields["dataSamples"]
            ]
        text = msgspec.json.encode(fields)
    except (TypeError, AttributeError, UnicodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    several = fields.get("endpoints")
    named = next((fields[name] for name in _APPLICATION_FIELDS if fields.get(name)), None)
    endpoint_id = fields.get("endpointId")
    return Told(
        kind=kind,
        application=_text(named) or _application(fields.get("appVersionName")),
        endpoint_id=_text(endpoint_id),
        endpoints={str(each): _application(version) for each, version in several.items()}
        if isinstance(several, dict)
        else None,
        fields=fields if isinstance(several, dict) else {},
        text=text,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What one caller may see and wants to see.

    Attributes:
        applications: The only ones; None = all, and what belongs to none.
        keys: Whether events about API keys.
        endpoint_ids: The only endpoints; empty = all.
        kinds: The only types; empty = all.
    """

    applications: frozenset[str] | None
    keys: bool
    endpoint_ids: frozenset[str]
    kinds: frozenset[str]

    def shown(self, told: Told) -> bytes | None:
        """Give what is shown of an event, as JSON in one line; None = nothing."""
        if self.kinds and told.kind not in self.kinds:
            return None
        if told.kind.startswith(_KEYS_ENTITY) and not self.keys:
            return None
        if told.endpoints is not None:
            return self._narrowed(told, told.endpoints)
        return told.text if self._about(told.endpoint_id, told.application) else None

    def _about(self, endpoint_id: str | None, application: str | None) -> bool:
        return (self.applications is None or application in self.applications) and (
            not self.endpoint_ids or endpoint_id in self.endpoint_ids
        )

    def _narrowed(self, told: Told, endpoints: Mapping[str, str | None]) -> bytes | None:
        kept = {each for each, application in endpoints.items() if self._about(each, application)}
        if len(kept) == len(endpoints):
            return told.text if kept else None
        if not kept:
            return None
        fields = {
            name: {each: value[each] for each in value if each in kept} if isinstance(value, dict) else value
            for name, value in told.fields.items()
        }
        return msgspec.json.encode(fields)


def wanted_by(api_key: ApiKey, *, endpoint_ids: tuple[str, ...], kinds: tuple[str, ...]) -> Wanted:
    """Put together what a key may see and what its holder asks for."""
    limits = None if api_key.applications is None else frozenset(api_key.applications)
    return Wanted(
        applications=limits,
        keys=limits is None and allows(api_key.scope, Scope.ADMIN),
        endpoint_ids=frozenset(endpoint_ids),
        kinds=frozenset(kinds),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _application(version: object) -> str | None:
    return application_of(version) if isinstance(version, str) else None
