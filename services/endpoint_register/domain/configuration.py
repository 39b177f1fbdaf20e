"""Configuration of service instances for an application or a version.

A version's document replaces the application's. The two that steer us are checked here, others are kept as
they are; Kaa's envelope around all of them is :mod:`libs.contracts.app_configs`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from libs.contracts import app_config_rules
from libs.contracts.app_configs import Configuration, Placed
from libs.contracts.errors import BadRequestError, PayloadTooLargeError
from libs.contracts.ids import ApplicationName, AppVersionName
from libs.contracts.kp1 import MAX_PAYLOAD_BYTES
from libs.contracts.payload import encode_json
from libs.contracts.shapes import Shape

EPMX: Final = "epmx"
KPC: Final = "kpc"

_ALLOWED: Final = "allowed-extension-instances"
_RULES: Final[Mapping[str, Shape]] = {EPMX: app_config_rules.EPMX, KPC: app_config_rules.KPC}
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
    rule = _RULES.get(service)
    if rule is not None:
        rule.check(placed.document, placed.path)
    if len(encode_json(placed.document)) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLargeError(f"{placed.path}: a configuration has at most {MAX_PAYLOAD_BYTES} bytes")


def extensions_of(configuration: Configuration | None) -> tuple[str, ...] | None:
    """Read the allowed extensions out of a checked ``kpc`` configuration; None = all."""
    allowed = (configuration or {}).get(_ALLOWED)
    return tuple(str(name) for name in allowed) if isinstance(allowed, list) else None
