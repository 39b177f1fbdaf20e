"""Time and chance as this machine gives them; use cases take them as ports, and tests give their own."""

import secrets
import string
from datetime import UTC, datetime
from typing import Final

TOKEN_LENGTH: Final = 24
"""Characters of a generated endpoint token: 142 bits of chance."""
_TOKEN_ALPHABET: Final = string.ascii_letters + string.digits


class SystemClock:
    """The time of this machine."""

    def now(self) -> datetime:
        """Aware, in UTC, in whole milliseconds: as the store keeps it and as we show it."""
        now = datetime.now(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)


def token_value() -> str:
    """Draw an endpoint token: 24 alphanumerics from the operating system's source for secrets."""
    return "".join(secrets.choice(_TOKEN_ALPHABET) for _ in range(TOKEN_LENGTH))
