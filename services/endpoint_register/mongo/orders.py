"""The orders that are read in blocks: lines by one of their keys, and what matches a filter, by creation."""

import asyncio
from typing import Final

from services.endpoint_register.domain.landmarks import Landmarks
from services.endpoint_register.domain.listing import Listed
from services.endpoint_register.mongo.listing import Bounds, MongoEndpointListing

CREATED: Final = "created"
"""The key by which what matches a filter is in blocks."""

_ASKED_S: Final = 600.0


class BlockOrder:
    """All lines by one of their keys, and what is known of the blocks of that order.

    Attributes:
        key: Which of :data:`services.endpoint_register.domain.listing.KEYS`.
        landmarks: Where its blocks begin, and how many lines they have.
        counted_up_to: Where counting again goes on.
        asked_at: When somebody read it last, in seconds of the loop's clock.
    """

    def __init__(self, listing: MongoEndpointListing, key: str, landmarks: Landmarks) -> None:
        self.key = key
        self.landmarks = landmarks
        self.counted_up_to = ""
        self.asked_at = -_ASKED_S
        self._listing = listing

    @property
    def is_asked_for(self) -> bool:
        """Whether somebody read it in the last ten minutes: else it is not counted again."""
        return asyncio.get_running_loop().time() - self.asked_at < _ASKED_S

    def ask(self) -> None:
        """Note that somebody reads it."""
        self.asked_at = asyncio.get_running_loop().time()

    async def count(self, bounds: Bounds) -> int:
        """How many lines there are between two keys."""
        return await self._listing.count_between(self.key, bounds)

    async def keys(self, bounds: Bounds) -> list[str]:
        """All keys between two, in order."""
        return await self._listing.keys(self.key, bounds)

    async def lines(self, bounds: Bounds, *, descending: bool, offset: int, limit: int) -> list[Listed]:
        """The lines between two keys, in order."""
        return await self._listing.between(
            self.key, bounds, descending=descending, offset=offset, limit=limit
        )


class MatchOrder(BlockOrder):
    """What matches a filter, by its creation."""

    def __init__(self, listing: MongoEndpointListing, filter_id: str, landmarks: Landmarks) -> None:
        super().__init__(listing, CREATED, landmarks)
        self._filter_id = filter_id

    async def count(self, bounds: Bounds) -> int:
        """How many match between two keys."""
        return len(await self._listing.matching(self._filter_id, bounds))

    async def keys(self, bounds: Bounds) -> list[str]:
        """The keys of what matches between two, in order."""
        return sorted(line.keys[CREATED] for line in await self._listing.matching(self._filter_id, bounds))

    async def lines(self, bounds: Bounds, *, descending: bool, offset: int, limit: int) -> list[Listed]:
        """What matches between two keys, in order."""
        lines = await self._listing.matching(self._filter_id, bounds)
        lines.sort(key=lambda line: line.keys[CREATED], reverse=descending)
        return lines[offset : offset + limit]
