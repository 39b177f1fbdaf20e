"""Who calls, and what their key allows: rules without I/O.

A key is only ever compared through its fingerprint, and no error raised here repeats one.
"""

import hashlib
import re
from datetime import datetime
from typing import Final, NewType

from libs.contracts.api_keys import ApiKey, Scope, allows
from libs.contracts.errors import ForbiddenError, UnauthorizedError

Fingerprint = NewType("Fingerprint", str)

MAX_KEY_LENGTH: Final = 512
"""Longer ones are refused without asking anybody."""

_BEARER = re.compile(r"bearer +(?P<key>[!-~]+) *", re.IGNORECASE)
_KEY = re.compile(r"[!-~]+")


def fingerprint(key: str) -> Fingerprint:
    """Name a key without keeping it: what caches are keyed by."""
    return Fingerprint(hashlib.sha256(key.encode()).hexdigest())


def presented_key(authorization: str | None, iamcore_key: str | None) -> str:
    """Take the API key out of ``Authorization: Bearer`` or, where there is none, the other header.

    Raises:
        UnauthorizedError: Neither header has one, or what it has cannot be one.
    """
    if authorization is None and iamcore_key is None:
        raise UnauthorizedError("an API key is needed: send the header Authorization: Bearer <key>")
    if authorization is not None:
        match = _BEARER.fullmatch(authorization)
        key = match["key"] if match else None
    else:
        key = iamcore_key if iamcore_key and _KEY.fullmatch(iamcore_key) else None
    if key is None:
        raise UnauthorizedError("the API key cannot be read: send the header Authorization: Bearer <key>")
    if len(key) > MAX_KEY_LENGTH:
        raise UnauthorizedError("the API key is not valid")
    return key


def check_expiry(key: ApiKey, *, now: datetime) -> None:
    """Refuse a key whose time is over, also while it is still remembered as valid.

    Raises:
        UnauthorizedError: It has expired.
    """
    if key.expiry_date is not None and datetime.fromisoformat(key.expiry_date) <= now:
        raise UnauthorizedError("the API key has expired")


def check_scope(key: ApiKey, needed: Scope, *, whole: bool) -> None:
    """Decide whether the key may do something that needs a scope.

    Args:
        key: Whose call it is.
        needed: The least scope that will do.
        whole: It concerns no single application, so a key limited to some may not do it.

    Raises:
        ForbiddenError: It may not; the phrase names what is missing.
    """
    if not allows(key.scope, needed):
        raise ForbiddenError(f"this needs the scope {needed.value}, the API key has {key.scope.value}")
    if whole and key.applications is not None:
        raise ForbiddenError(
            f"this needs the scope {needed.value} for all applications, the API key is limited to some"
        )
