"""Secrets that must be read again: encrypted, each for the one record it belongs to.

AES-256-GCM with a key of its own, derived from ``GROVE_SECRETS_KEY``. The device and the id of the
credential are authenticated with it, so that who can write to the database but does not know the key
cannot give one device the secret of another, or a suspended secret another id.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from libs.contracts.senml import DvnUuid
from services.credential_manager.domain.fingerprints import derived_key

NONCE_BYTES = 12


class UnreadableSecretError(Exception):
    """It was sealed under another key or for another record, or was tampered with."""


class SecretBox:
    """Seals secrets for storing, and opens them."""

    __slots__ = ("_cipher",)

    def __init__(self, secrets_key: str) -> None:
        """Derive the key from ``secrets_key``, whose length :class:`.Fingerprints` checks."""
        self._cipher = AESGCM(derived_key(secrets_key, purpose=b"olivegrove senml secret v1"))

    def seal(self, secret: str, *, dvn_uuid: DvnUuid, credential_id: str, nonce: bytes) -> bytes:
        """Encrypt a secret; a nonce must never be used twice, so draw it at random."""
        return nonce + self._cipher.encrypt(nonce, secret.encode(), _belonging(dvn_uuid, credential_id))

    def open(self, sealed: bytes, *, dvn_uuid: DvnUuid, credential_id: str) -> str:
        """Decrypt a secret.

        Raises:
            UnreadableSecretError: It cannot be.
        """
        nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, ciphertext, _belonging(dvn_uuid, credential_id)).decode()
        except (InvalidTag, ValueError) as error:
            raise UnreadableSecretError from error


def _belonging(dvn_uuid: DvnUuid, credential_id: str) -> bytes:
    return f"{dvn_uuid} {credential_id}".encode()
