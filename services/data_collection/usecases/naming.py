"""Which series and values of applications were ever seen in what endpoints sent.

A device may make up names without end, and each would be a document for ever and an entry in every list. So
an application has a bound: names beyond it are counted, and not listed. Their points are stored, told of and
read like all others by whoever knows the name.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from prometheus_client import Counter

from services.data_collection.domain.samples import Points
from services.data_collection.ports.querying import SeriesRepository

MAX_NAMES: Final = 2_000
"""Names seen that an application lists, a value of a series being one; each replica may add some at once."""
MAX_KNOWN: Final = 200_000
"""Names remembered; what is forgotten is read once more."""

_UNLISTED = Counter(
    "grove_data_collection_names_unlisted", "Values seen under names for which an application has no room."
)

Name = tuple[str, str]
"""A series, and a value of it."""


class Names:
    """Writes names that are new, as far as their application has room."""

    def __init__(self, series: SeriesRepository) -> None:
        self._series = series
        self._known: dict[tuple[str, str, str], None] = {}
        self._waiting: dict[str, dict[Name, None]] = {}
        self._full: set[str] = set()

    def note(self, application: str, points: Points) -> None:
        """Take note of what was seen; returns at once."""
        for series, values in points.items():
            for value in values:
                if (application, series, value) not in self._known:
                    self._wait(application, (series, value))

    async def write(self) -> None:
        """Write what waits.

        Raises:
            UnavailableError: The store is away; what was not written waits on.
        """
        for application in list(self._waiting):
            noted = self._waiting.pop(application)
            try:
                await self._write(application, noted)
            except BaseException:
                self._waiting[application] = noted | self._waiting.get(application, {})
                raise

    def _wait(self, application: str, name: Name) -> None:
        waiting = self._waiting.get(application, {})
        if name in waiting:
            return
        if application in self._full or len(waiting) >= MAX_NAMES:
            _UNLISTED.inc()
        else:
            self._waiting.setdefault(application, waiting)[name] = None

    async def _write(self, application: str, noted: Mapping[Name, None]) -> None:
        stored = {
            (series, v) for series, values in (await self._series.of(application)).items() for v in values
        }
        new = [name for name in noted if name not in stored]
        room = max(0, MAX_NAMES - len(stored))
        if new[:room]:
            await self._series.add(application, _by_series(new[:room]))
        if len(new) >= room:
            self._full.add(application)
            _UNLISTED.inc(len(new) - room)
        for series, value in (*stored, *new[:room]):
            self._known[application, series, value] = None
        while len(self._known) > MAX_KNOWN:
            del self._known[next(iter(self._known))]


def _by_series(names: Sequence[Name]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for series, value in names:
        found.setdefault(series, []).append(value)
    return found
