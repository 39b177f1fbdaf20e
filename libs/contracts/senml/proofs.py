"""A device's identity, its shared secret, and the token by which it proves that it knows it.

The token is plain SHA-256 over the body *as received* and then the secret: no HMAC, no separator.
Re-serialising the body first would refuse good devices (reference/kpn.md, surprises 1 and 2).
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Final, NewType

from libs.contracts.errors import BadRequestError

DvnUuid = NewType("DvnUuid", str)
"""RFC 4122 form in lower case."""

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SECRET: Final = re.compile(r"[0-9a-zA-Z]{30,100}")
_TOKEN: Final = re.compile(r"[0-9a-fA-F]{64}")


def check_dvn_uuid(text: str) -> DvnUuid:
    """Accept a device UUID of any version and in any case.

    Raises:
        BadRequestError: It has not the form of RFC 4122.
    """
    if not _UUID.fullmatch(text):
        raise BadRequestError(
            "dvnUuid must be a UUID of 36 characters such as 3f0e1c52-7c3f-4a0e-9d3b-2b0c1a4f5e66"
        )
    return DvnUuid(text.lower())


def check_shared_secret(text: str) -> str:
    """Accept a shared secret given by a user.

    Raises:
        BadRequestError: It does not match ``^[0-9a-zA-Z]{30,100}$``; the phrase never repeats it.
    """
    if not _SECRET.fullmatch(text):
        raise BadRequestError("sharedSecret must be 30 to 100 characters of [0-9a-zA-Z]")
    return text


def message_token(body: bytes, secret: str) -> str:
    """Compute what ``Things-Message-Token`` must be."""
    return hashlib.sha256(body + secret.encode()).hexdigest()


def signing_secret(body: bytes, token: str, secrets: Sequence[str]) -> int | None:
    """Tell which of the secrets the token was made with, in a time that depends on neither."""
    if not _TOKEN.fullmatch(token):
        return None
    given, hashed = token.lower(), hashlib.sha256(body)
    found = None
    for position, secret in enumerate(secrets):
        candidate = hashed.copy()
        candidate.update(secret.encode())
        if hmac.compare_digest(candidate.hexdigest(), given):
            found = position
    return found


def same_secret(given: str, secrets: Sequence[str]) -> int | None:
    """Tell which of the secrets was given as a password, in a time that depends on none of them."""
    password = given.encode(errors="surrogatepass")
    found = None
    for position, secret in enumerate(secrets):
        if hmac.compare_digest(secret.encode(), password):
            found = position
    return found
