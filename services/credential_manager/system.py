"""Time and chance as this machine gives them; tests give their own."""

import secrets
import string
import uuid
from datetime import UTC, datetime
from typing import Final

_TOKEN_LENGTH: Final = 24
_TOKEN_ALPHABET: Final = string.ascii_letters + string.digits
_API_KEY_BYTES: Final = 30


class SystemClock:
    """The time of this machine."""

    def now(self) -> datetime:
        now = datetime.now(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)


class SystemEntropy:
    """Chance from the operating system."""

    def attempt(self) -> str:
        return secrets.token_hex(8)

    def record_id(self) -> str:
        return str(uuid.uuid4())

    def token_value(self) -> str:
        return "".join(secrets.choice(_TOKEN_ALPHABET) for _ in range(_TOKEN_LENGTH))

    def api_key_value(self) -> str:
        return f"grove_{secrets.token_urlsafe(_API_KEY_BYTES)}"
