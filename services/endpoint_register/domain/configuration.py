"""Configuration of service instances for an application or a version, in Kaa's envelope.

``{"<svc>":{"kaa":{"applications":{"<app>":{..., "versions":{"<v>":{...}}}}}}}``; a version's document
replaces the application's. The two that steer us are checked here, others are kept as they are.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from libs.contracts.errors import BadRequestError, PayloadTooLargeError
from libs.contracts.ids import ApplicationName, AppVersionName, check_metadata_key
from libs.contracts.kp1 import EXTENSIONS, MAX_PAYLOAD_BYTES
from libs.contracts.payload import JsonValue, check_value, encode_json

EPMX: Final = "epmx"
KPC: Final = "kpc"

EXTENSION_NAMES: Final = EXTENSIONS | {"cmx_ota", "bcx", "rsx", "adx"}
"""Names that may be allowed: ours, and Kaa's whose service may come later."""

_METADATA_KEYS: Final = "metadata-keys"
_WRITE_ENABLED: Final = "write-enabled"
_ALLOWED: Final = "allowed-extension-instances"
_SERVICE: Final = re.compile(r"[a-z0-9_-]{1,64}")

Configuration = Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationChange:
    """A configuration that was replaced, as far as others have to hear of it.

    Attributes:
        service: Whose configuration.
        application: Of which application.
        version: Of which version; None = of the application.
        attempt: Names the write: one that came later has another.
    """

    service: str
    application: ApplicationName
    version: AppVersionName | None
    attempt: str


def check_service_name(text: str) -> str:
    """Accept the name of a service instance.

    Raises:
        BadRequestError: It does not match ``^[a-z0-9_-]{1,64}$``.
    """
    if not _SERVICE.fullmatch(text):
        raise BadRequestError("serviceInstanceName must be 1 to 64 characters of [a-z0-9_-]")
    return text


def wrapped(
    configuration: Configuration,
    *,
    service: str,
    application: ApplicationName,
    version: AppVersionName | None,
) -> dict[str, Any]:
    """Put a configuration into its envelope."""
    own: Any = configuration if version is None else {"versions": {version: configuration}}
    return {service: {"kaa": {"applications": {application: own}}}}


def unwrapped(
    body: object, *, service: str, application: ApplicationName, version: AppVersionName | None
) -> Configuration:
    """Take a configuration out of its envelope and check it.

    Raises:
        BadRequestError: The envelope is for something else, or the configuration is wrong; the
            phrase names the path.
        PayloadTooLargeError: It has more than 256 KiB.
    """
    check_value(body)
    steps = [service, "kaa", "applications", application]
    if version is not None:
        steps += ["versions", version]
    path = "$"
    for step in steps:
        body = _only(body, step, path)
        path = f"{path}.{step}"
    configuration = _object(body, path)
    if version is None and "versions" in configuration:
        raise BadRequestError(f"{path}.versions: a version's configuration has a path of its own")
    check = {EPMX: _check_epmx, KPC: _check_kpc}.get(service)
    if check is not None:
        check(configuration, path)
    if len(encode_json(configuration)) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLargeError(f"a configuration has at most {MAX_PAYLOAD_BYTES} bytes")
    return configuration


def extensions_of(configuration: Configuration | None) -> tuple[str, ...] | None:
    """Read the allowed extensions out of a checked ``kpc`` configuration; None = all."""
    allowed = (configuration or {}).get(_ALLOWED)
    return tuple(str(name) for name in allowed) if isinstance(allowed, list) else None


def _check_epmx(configuration: Configuration, path: str) -> None:
    _no_others(configuration, {_METADATA_KEYS}, path)
    if _METADATA_KEYS not in configuration:
        return
    path = f"{path}.{_METADATA_KEYS}"
    for key, rule in _object(configuration[_METADATA_KEYS], path).items():
        try:
            check_metadata_key(key)
        except BadRequestError as error:
            raise BadRequestError(f"{path}: {error.reason_phrase}") from None
        here = _object(rule, f"{path}.{key}")
        _no_others(here, {_WRITE_ENABLED}, f"{path}.{key}")
        if not isinstance(here.get(_WRITE_ENABLED, False), bool):
            raise BadRequestError(f"{path}.{key}.{_WRITE_ENABLED}: must be true or false")


def _check_kpc(configuration: Configuration, path: str) -> None:
    _no_others(configuration, {_ALLOWED}, path)
    if _ALLOWED not in configuration:
        return
    path = f"{path}.{_ALLOWED}"
    allowed = configuration[_ALLOWED]
    if not isinstance(allowed, list):
        raise BadRequestError(f"{path}: must be an array of extension names")
    for position, name in enumerate(allowed):
        if not isinstance(name, str) or name not in EXTENSION_NAMES:
            known = ", ".join(sorted(EXTENSION_NAMES))
            raise BadRequestError(f"{path}[{position}]: must be one of {known}")
        if name in allowed[:position]:
            raise BadRequestError(f"{path}[{position}]: {name} is there twice")


def _only(body: object, step: str, path: str) -> object:
    members = _object(body, path)
    if set(members) != {step}:
        raise BadRequestError(f"{path}: must hold {step!a} and nothing else")
    return members[step]


def _object(value: object, path: str) -> dict[str, JsonValue]:
    if not isinstance(value, dict):
        raise BadRequestError(f"{path}: must be an object")
    return value


def _no_others(members: Configuration, known: set[str], path: str) -> None:
    others = sorted(set(members) - known)
    if others:
        raise BadRequestError(f"{path}: unknown field {others[0][:64]!a}")
