"""What is stored instead of a secret: a keyed hash of it.

A device's token may be its serial number, and a plain hash of one of those is guessed in seconds;
without ``GROVE_SECRETS_KEY`` a stolen database says nothing. Each kind of secret is hashed under a key
of its own, so that equal values cannot be recognised across kinds.
"""

import hashlib
import hmac

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MIN_SECRETS_KEY_LENGTH = 32
"""Characters; 32 hexadecimal digits are 128 bits."""

_KEY_BYTES = 32


class FingerprintKeyError(Exception):
    """The key is too short to protect anything."""


class Fingerprints:
    """Hashes secrets for storing and looking up."""

    __slots__ = ("_api_key_key", "_senml_key", "_token_key")

    def __init__(self, secrets_key: str) -> None:
        """Derive the keys from ``secrets_key``.

        Raises:
            FingerprintKeyError: It is shorter than :data:`MIN_SECRETS_KEY_LENGTH`.
        """
        if len(secrets_key) < MIN_SECRETS_KEY_LENGTH:
            raise FingerprintKeyError(f"must have at least {MIN_SECRETS_KEY_LENGTH} characters")
        self._token_key = derived_key(secrets_key, purpose=b"olivegrove endpoint token v1")
        self._api_key_key = derived_key(secrets_key, purpose=b"olivegrove api key v1")
        self._senml_key = derived_key(secrets_key, purpose=b"olivegrove senml fingerprint v1")

    def of_token(self, value: str) -> bytes:
        """Hash an endpoint token."""
        return hmac.digest(self._token_key, value.encode(), hashlib.sha256)

    def of_senml_secret(self, value: str) -> bytes:
        """Hash a SenML device's shared secret."""
        return hmac.digest(self._senml_key, value.encode(), hashlib.sha256)

    def of_api_key(self, value: str) -> bytes:
        """Hash an API key; any text is taken, as it comes from a header."""
        return hmac.digest(self._api_key_key, value.encode(errors="surrogatepass"), hashlib.sha256)


def derived_key(secrets_key: str, *, purpose: bytes) -> bytes:
    """Derive the key for one purpose; no two purposes share one."""
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=purpose).derive(secrets_key.encode())
