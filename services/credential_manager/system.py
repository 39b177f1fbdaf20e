"""Chance as this machine gives it; tests give their own."""

import secrets
import uuid
from typing import Final

from libs.process import token_value
from services.credential_manager.domain import NONCE_BYTES

_API_KEY_BYTES: Final = 30


class SystemEntropy:
    """Chance from the operating system."""

    def attempt(self) -> str:
        return secrets.token_hex(8)

    def record_id(self) -> str:
        return str(uuid.uuid4())

    def token_value(self) -> str:
        return token_value()

    def api_key_value(self) -> str:
        return f"grove_{secrets.token_urlsafe(_API_KEY_BYTES)}"

    def nonce(self) -> bytes:
        return secrets.token_bytes(NONCE_BYTES)
