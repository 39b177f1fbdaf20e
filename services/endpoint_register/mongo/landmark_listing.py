"""Lists on a store that reads a range to its end whatever is asked of it: it is asked for small ranges.

See :mod:`services.endpoint_register.domain.landmarks` for the idea and docs/adr/0011 for what it brings. A
collection ``landmarks`` keeps where blocks begin, a document for each order, so that a start finds it;
how many lines they have is in memory, follows every write of this process, and is counted again now and
then, because another replica writes as well.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Final

import structlog

from libs.contracts.errors import GroveError
from libs.contracts.ids import EndpointId
from libs.store import Store, store_errors
from services.endpoint_register.domain.landmarks import BLOCK, Landmarks, Piece
from services.endpoint_register.domain.listing import KEYS, Listed, Range
from services.endpoint_register.mongo.listing import MongoEndpointListing

_EVERY_S: Final = 1.0
_COUNTED_TOGETHER: Final = 8
_ASKED_S: Final = 600.0
"""An order that nobody asked for since then is not counted again."""

_log = structlog.get_logger()


class LandmarkListing:
    """The listing, read block by block; :meth:`run` is the root task that keeps blocks small."""

    def __init__(self, listing: MongoEndpointListing, store: Store, *, size: int = BLOCK) -> None:
        self._listing = listing
        self._collection = store.collection("landmarks")
        self._size = size
        self._landmarks = {key: Landmarks(size) for key in KEYS}
        self._asked_at: dict[str, float] = {}
        self._counted_up_to = dict.fromkeys(KEYS, "")
        self._grown = asyncio.Event()

    async def prepare(self) -> None:
        """Read where blocks begin, and count what has none yet."""
        await self._listing.prepare()
        with store_errors():
            documents = await self._collection.find({}).to_list()
        begins = {document["_id"]: document["begins"] for document in documents}
        for key in KEYS:
            self._landmarks[key] = Landmarks.at(begins.get(key, ()), size=self._size)
        if not begins:
            whole = self._landmarks[KEYS[0]].block("")
            count = await self._listing.count_between(KEYS[0], (whole.low, whole.high))
            for landmarks in self._landmarks.values():
                landmarks.counted(whole, count)
            self._grown.set()

    async def put(self, line: Listed) -> str:
        """List an endpoint unless its line is as new, or of another incarnation; tell whose line stands."""
        # An endpoint of which nothing was told yet has no line before.
        before = await self._listing.find(line.endpoint_id) if line.seq else None
        with self._write(line, before):
            standing, is_new = await self._listing.write(line)
            if is_new:
                self._note(line, 1)
            elif before is None or before.keys != line.keys:
                self._forget(line, before)
        return standing

    async def put_new(self, lines: Sequence[Listed]) -> set[EndpointId]:
        """List endpoints that have no line; tell which are listed as these incarnations now."""
        with self._write(*lines):
            standing, all_new = await self._listing.write_new(lines)
            if not all_new:
                self._forget(*lines)
            else:
                for line in lines:
                    self._note(line, 1)
        return standing

    async def drop(self, endpoint_id: EndpointId, *, incarnation: str) -> None:
        """List it no more, if it still is this incarnation."""
        line = await self._listing.find(endpoint_id)
        if line is None or line.incarnation != incarnation:
            return  # lines of an incarnation are written before it is dropped
        with self._write(line):
            if await self._listing.erase(endpoint_id, incarnation=incarnation):
                self._note(line, -1)

    async def page(self, part: Range, *, offset: int = 0, limit: int, after: str = "") -> list[Listed]:
        """The lines of a page, in order; ``after`` is the key behind which it begins."""
        if part.filter_id is not None:
            return await self._listing.page(part, offset=offset, limit=limit, after=after)
        lines: list[Listed] = []
        for piece in self._pieces(part, after):
            if offset:
                count = await self._count(part.key, piece)
                if count <= offset:
                    offset -= count
                    continue
            lines += await self._listing.between(
                part.key,
                (piece.low, piece.high),
                descending=part.descending,
                offset=offset,
                limit=limit - len(lines),
            )
            offset = 0
            if len(lines) >= limit:
                break
        return lines

    async def names(self, part: Range, *, limit: int) -> dict[EndpointId, str]:
        """Who is in a range, in any order, each with the incarnation that its line means."""
        return await self._listing.names(part, limit=limit)

    async def count(self, part: Range) -> int:
        """How many there are."""
        if part.filter_id is not None:
            return await self._listing.count(part)
        return sum([await self._count(part.key, piece) for piece in self._pieces(part)])

    async def run(self) -> None:
        """Split blocks that have grown, and count again what others may have changed, until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_S):
                    await self._grown.wait()
            self._grown.clear()
            try:
                await self.tend()
            except GroveError as error:
                _log.warning("landmarks.wait", reason=error.reason_phrase)
                await asyncio.sleep(_EVERY_S)

    async def tend(self) -> None:
        """Split large blocks, and count some that nobody has counted, or not since another may have written.

        Raises:
            UnavailableError: The store is away.
        """
        for key, landmarks in self._landmarks.items():
            for block in landmarks.large():
                await self._split(key, landmarks, block)
            unknown = landmarks.unknown(self._counted_up_to[key], limit=_COUNTED_TOGETHER)
            for block in unknown:
                await self._count_again(key, landmarks, block)
            if not unknown and self._is_asked_for(key):
                await self._count_again(key, landmarks, landmarks.block(self._counted_up_to[key]))

    def _pieces(self, part: Range, after: str = "") -> list[Piece]:
        landmarks = self._landmarks[part.key]
        self._asked_at[part.key] = _now()
        if part.prefix.endswith("/"):  # an application or a version, not a search that is asked for once
            landmarks.place((part.prefix, part.end))
        pieces = landmarks.pieces(*part.bounds(after))
        return pieces[::-1] if part.descending else pieces

    async def _count(self, key: str, piece: Piece) -> int:
        if piece.count is not None:
            return piece.count
        landmarks = self._landmarks[key]
        moment = landmarks.moment(piece)
        count = await self._listing.count_between(key, (piece.low, piece.high))
        if moment is not None and moment == landmarks.moment(piece):
            landmarks.counted(piece, count)
        if landmarks.is_large(count):
            self._grown.set()
        return count

    async def _count_again(self, key: str, landmarks: Landmarks, block: Piece) -> None:
        self._counted_up_to[key] = block.high or ""
        count = await self._count(key, replace(block, count=None))
        if landmarks.is_large(count):
            await self._split(key, landmarks, block)
            return
        gone = landmarks.merge(block.low)
        if gone is not None:
            with store_errors():
                await self._collection.update_one({"_id": key}, {"$pull": {"begins": gone}})

    async def _split(self, key: str, landmarks: Landmarks, block: Piece) -> None:
        moment = landmarks.moment(block)
        keys = await self._listing.keys(key, (block.low, block.high))
        exact = moment is not None and moment == landmarks.moment(block)
        cuts = landmarks.split(keys, exact=exact)
        with store_errors():
            await self._collection.update_one(
                {"_id": key}, {"$addToSet": {"begins": {"$each": cuts}}}, upsert=True
            )

    def _is_asked_for(self, key: str) -> bool:
        return _now() - self._asked_at.get(key, -_ASKED_S) < _ASKED_S

    @contextmanager
    def _write(self, *lines: Listed | None) -> Iterator[None]:
        """Let no count be believed that meets these lines; when the outcome is unknown, none of theirs."""
        keys = [(self._landmarks[key], line.keys[key]) for line in lines if line is not None for key in KEYS]
        for landmarks, key in keys:
            landmarks.write_begins(key)
        try:
            yield
        except BaseException:
            self._forget(*lines)
            raise
        finally:
            for landmarks, key in keys:
                landmarks.write_ends(key)

    def _note(self, line: Listed, by: int) -> None:
        for key, landmarks in self._landmarks.items():
            landmarks.changed(line.keys[key], by)
            if landmarks.is_large(landmarks.block(line.keys[key]).count or 0):
                self._grown.set()

    def _forget(self, *lines: Listed | None) -> None:
        for line in filter(None, lines):
            for key, landmarks in self._landmarks.items():
                landmarks.forget(line.keys[key])


def _now() -> float:
    return asyncio.get_running_loop().time()
