"""Tokens that have to be read again are encrypted where they are stored, each time for one record.

AES-256-GCM with a key of its own, derived from ``GROVE_SECRETS_KEY``. The record's name is
authenticated with it: what was sealed for one record cannot be opened as another's.
"""

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MIN_SECRETS_KEY_LENGTH: Final = 32
"""Characters; 32 hexadecimal digits are 128 bits."""
NONCE_BYTES: Final = 12

_KEY_BYTES: Final = 32
_PURPOSE: Final = b"olivegrove endpoint batch v1"


class SealingKeyError(Exception):
    """The key is too short to protect anything."""


class UnreadableError(Exception):
    """It was sealed under another key or for another record, or was tampered with."""


class SealingBox:
    """Seals what is stored, and opens it."""

    __slots__ = ("_cipher",)

    def __init__(self, secrets_key: str) -> None:
        """Derive the key.

        Raises:
            SealingKeyError: ``secrets_key`` is shorter than :data:`MIN_SECRETS_KEY_LENGTH`.
        """
        if len(secrets_key) < MIN_SECRETS_KEY_LENGTH:
            raise SealingKeyError(f"must have at least {MIN_SECRETS_KEY_LENGTH} characters")
        derivation = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=_PURPOSE)
        self._cipher = AESGCM(derivation.derive(secrets_key.encode()))

    def seal(self, content: bytes, *, record: str, nonce: bytes) -> bytes:
        """Encrypt; a nonce must never be used twice, so draw it at random."""
        return nonce + self._cipher.encrypt(nonce, content, record.encode())

    def open(self, sealed: bytes, *, record: str) -> bytes:
        """Decrypt.

        Raises:
            UnreadableError: It cannot be.
        """
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], record.encode())
        except (InvalidTag, ValueError) as error:
            raise UnreadableError from error
