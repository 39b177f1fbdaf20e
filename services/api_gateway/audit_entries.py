"""What the audit trail is told of a call: names and ids, and of those only what looks like one.

Nothing is copied out of a body but the endpoint and the application it names, nothing out of headers at all.
A path may hold anything, a token by mistake too: what cannot be the name or id that belongs there stays out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from libs.contracts.api_keys import ApiKey
from libs.contracts.applications import Application, AppVersion, NewApplication
from libs.contracts.audit import AuditEntry
from libs.contracts.endpoints import AppVersionRef, EndpointAppVersion
from libs.contracts.errors import BadRequestError
from libs.contracts.ids import MAX_NAME_LENGTH, application_of, check_application_name, check_endpoint_id
from services.api_gateway.routes import Route

LEFT_OUT: Final = "(no such id)"
"""Stands for what cannot be what its place is for."""

_MAX_ADDRESS: Final = 64
_NAME = re.compile(r"[a-zA-Z0-9._~-]+")
_DRAWN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Beside values that are secret, so somebody will take one for the other.
_OF_SECRETS: Final = frozenset({"tokenId", "credentialId", "apiKeyId"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A call of a route.

    Attributes:
        route: Which route.
        values: Placeholders of its path, decoded.
        correlation_id: Of its answer.
        remote_address: Where its connection came from.
    """

    route: Route
    values: Mapping[str, str]
    correlation_id: str
    remote_address: str


def entry_of(call: Call, api_key: ApiKey, *, record_id: str) -> AuditEntry:
    """Describe a call as far as its path tells."""
    entry = AuditEntry(
        record_id=record_id,
        api_key_id=api_key.api_key_id,
        api_key_name=api_key.name,
        operation=call.route.operation_id,
        method=call.route.method,
        path=call.route.path,
        parameters={name: _shown(name, value) for name, value in call.values.items()},
        correlation_id=call.correlation_id,
        remote_address=call.remote_address[:_MAX_ADDRESS],
    )
    version = call.values.get("versionName") or call.values.get("appVersion") or ""
    return _named(
        entry,
        application=call.values.get("applicationName") or application_of(version) or "",
        endpoint_id=call.values.get("endpointId", ""),
    )


def named_by(entry: AuditEntry, message: msgspec.Struct) -> AuditEntry:
    """Add what a request or a reply says of application and endpoint, where it is not known yet."""
    body = getattr(message, "body", None)
    application = getattr(body, "application_name", "")
    version = getattr(body, "app_version", "")
    if isinstance(body, NewApplication | Application):
        application = body.name
    elif isinstance(body, AppVersionRef | EndpointAppVersion | AppVersion):
        version = body.name
    if isinstance(version, AppVersionRef | EndpointAppVersion):
        version = version.name
    if not application and isinstance(version, str):
        application = application_of(version)
    return _named(entry, application=application, endpoint_id=getattr(body, "endpoint_id", ""))


def _named(entry: AuditEntry, *, application: object, endpoint_id: object) -> AuditEntry:
    if not entry.application_name and isinstance(application, str) and _is_application(application):
        entry = msgspec.structs.replace(entry, application_name=application)
    if not entry.endpoint_id and isinstance(endpoint_id, str) and _is_endpoint_id(endpoint_id):
        entry = msgspec.structs.replace(entry, endpoint_id=endpoint_id)
    return entry


def _shown(name: str, value: str) -> str:
    form = _DRAWN if name in _OF_SECRETS else _NAME
    return value if len(value) <= MAX_NAME_LENGTH and form.fullmatch(value) else LEFT_OUT


def _is_application(text: str) -> bool:
    try:
        check_application_name(text)
    except BadRequestError:
        return False
    return True


def _is_endpoint_id(text: str) -> bool:
    try:
        check_endpoint_id(text)
    except BadRequestError:
        return False
    return True
