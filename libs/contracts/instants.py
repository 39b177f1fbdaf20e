"""Instants as they leave us: ISO 8601 in UTC, always with milliseconds."""

from datetime import UTC, datetime


def iso_ms(instant: datetime) -> str:
    """Spell an aware instant as ``2026-11-21T03:31:38.123Z``."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{instant.microsecond // 1000:03d}Z"


def unix_ms(instant: datetime) -> int:
    """Milliseconds since the Unix epoch."""
    return int(instant.timestamp() * 1000)
