"""Configuration of service instances for an application or a version.

A version's document replaces the application's. The two that steer us are checked here, others are kept as
they are; Kaa's envelope around all of them is :mod:`libs.contracts.app_configs`.
"""

import re
from dataclasses import dataclass
from typing import Final

from libs.contracts.app_configs import Configuration, Placed
from libs.contracts.errors import BadRequestError, PayloadTooLargeError
from libs.contracts.ids import ApplicationName, AppVersionName, check_metadata_key
from libs.contracts.kp1 import EXTENSIONS, MAX_PAYLOAD_BYTES
from libs.contracts.payload import JsonValue, encode_json

EPMX: Final = "epmx"
KPC: Final = "kpc"

EXTENSION_NAMES: Final = EXTENSIONS | {"cmx_ota", "bcx", "rsx", "adx"}
"""Names that may be allowed: ours, and Kaa's whose service may come later."""

_METADATA_KEYS: Final = "metadata-keys"
_WRITE_ENABLED: Final = "write-enabled"
_ALLOWED: Final = "allowed-extension-instances"
_SERVICE: Final = re.compile(r"[a-z0-9_-]{1,64}")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A configuration as it stands at its place.

    Attributes:
        configuration: What is configured.
        attempt: Names the write that put it there.
    """

    configuration: Configuration
    attempt: str


def check_service_name(text: str) -> str:
    """Accept the name of a service instance.

    Raises:
        BadRequestError: It does not match ``^[a-z0-9_-]{1,64}$``.
    """
    if not _SERVICE.fullmatch(text):
        raise BadRequestError("serviceInstanceName must be 1 to 64 characters of [a-z0-9_-]")
    return text


def check_configuration(placed: Placed, *, service: str) -> None:
    """Accept what is to be configured.

    Raises:
        BadRequestError: It is not what the service instance takes; the phrase names the path.
        PayloadTooLargeError: It has more than 256 KiB.
    """
    check = {EPMX: _check_epmx, KPC: _check_kpc}.get(service)
    if check is not None:
        check(placed.document, placed.path)
    if len(encode_json(placed.document)) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLargeError(f"{placed.path}: a configuration has at most {MAX_PAYLOAD_BYTES} bytes")


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


def _object(value: object, path: str) -> dict[str, JsonValue]:
    if not isinstance(value, dict):
        raise BadRequestError(f"{path}: must be an object")
    return value


def _no_others(members: Configuration, known: set[str], path: str) -> None:
    others = sorted(set(members) - known)
    if others:
        raise BadRequestError(f"{path}: unknown field {others[0][:64]!a}")
