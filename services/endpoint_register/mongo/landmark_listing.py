"""Lists on a store that reads a range to its end whatever is asked of it: it is asked for small ranges.

See :mod:`services.endpoint_register.domain.landmarks` for the idea and docs/adr/0011 for what it brings. A
collection ``landmarks`` keeps where blocks begin, a document for each order, so that a start finds it;
how many lines they have is in memory, follows every write of this process, and is counted again now and
then, because another replica writes as well. What matches a filter is an order of its own, from when
somebody first asks for it; where its blocks begin is in memory too.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, Final

import structlog

from libs.contracts.errors import GroveError
from libs.contracts.ids import EndpointId
from libs.store import Store, store_errors
from services.endpoint_register.domain.landmarks import BLOCK, Landmarks, Piece
from services.endpoint_register.domain.listing import KEYS, Listed, Range
from services.endpoint_register.mongo.listing import MongoEndpointListing
from services.endpoint_register.mongo.orders import CREATED, BlockOrder, MatchOrder

_EVERY_S: Final = 1.0
_READ_TOGETHER: Final = 8
"""Blocks that are counted or cut in one turn: of each order of all endpoints, and of all filters together."""
_MAX_MATCH_ORDERS: Final = 256
_FIRST_BLOCKS: Final = 16
"""Of a filter: where little matches each costs a question, where all do each is read whole, once."""
_MATCHES_ARE_THERE: Final = "matches"
"""The document that says that every line has what is read of matches."""

_log = structlog.get_logger()


class LandmarkListing:
    """The listing, read block by block; :meth:`run` is the root task that keeps blocks small.

    Args:
        listing: The lines, with what is read of matches.
        store: Where blocks are kept.
        size: Lines of a block.
    """

    def __init__(self, listing: MongoEndpointListing, store: Store, *, size: int = BLOCK) -> None:
        self._listing = listing
        self._collection = store.collection("landmarks")
        self._size = size
        self._orders = {key: BlockOrder(listing, key, Landmarks(size)) for key in KEYS}
        self._matches: dict[str, MatchOrder] = {}
        self._grown = asyncio.Event()

    async def prepare(self) -> None:
        """Read where blocks begin, and count what has none yet."""
        await self._listing.prepare()
        with store_errors():
            documents = await self._collection.find({}).to_list()
        kept: dict[str, Any] = {document["_id"]: document["begins"] for document in documents}
        if _MATCHES_ARE_THERE not in kept:
            await self._listing.add_matches()
            with store_errors():
                await self._collection.update_one(
                    {"_id": _MATCHES_ARE_THERE}, {"$set": {"begins": []}}, upsert=True
                )
        begins = {key: kept[key] for key in KEYS if key in kept}
        for key, order in self._orders.items():
            order.landmarks = Landmarks.at(begins.get(key, ()), size=self._size)
        if not begins:
            first = self._orders[KEYS[0]]
            whole = first.landmarks.block("")
            count = await first.count((whole.low, whole.high))
            for order in self._orders.values():
                order.landmarks.counted(whole, count)
            self._grown.set()

    async def put(self, line: Listed) -> str:
        """List an endpoint unless its line is as new, or of another incarnation; tell whose line stands."""
        # An endpoint of which nothing was told yet has no line before.
        before = await self._listing.find(line.endpoint_id) if line.seq else None
        while before is None or before.precedes(line):
            with self._write(line, before):
                # Never over a line that is not known: nobody could tell where it stood.
                if await (
                    self._listing.insert(line) if before is None else self._listing.replace(before, line)
                ):
                    self._note(before, line)
                    return line.incarnation
            before = await self._listing.find(line.endpoint_id)
        return before.incarnation

    async def put_new(self, lines: Sequence[Listed]) -> set[EndpointId]:
        """List endpoints that have no line; tell which are listed as these incarnations now."""
        with self._write(*lines):
            standing, all_new = await self._listing.write_new(lines)
            if not all_new:
                self._forget(*lines)
            else:
                for line in lines:
                    self._note(None, line)
        return standing

    async def drop(self, endpoint_id: EndpointId, *, incarnation: str) -> None:
        """List it no more, if it still is this incarnation."""
        while True:
            line = await self._listing.find(endpoint_id)
            if line is None or line.incarnation != incarnation:
                return  # lines of an incarnation are written before it is dropped
            with self._write(line):
                if await self._listing.erase(endpoint_id, incarnation=incarnation, seq=line.seq):
                    self._note(line, None)
                    return

    async def page(self, part: Range, *, offset: int = 0, limit: int, after: str = "") -> list[Listed]:
        """The lines of a page, in order; ``after`` is the key behind which it begins."""
        order = self._order_of(part) if part.filter_id is None or part.key == CREATED else None
        if order is None:
            return await self._listing.page(part, offset=offset, limit=limit, after=after)
        lines: list[Listed] = []
        for piece in self._pieces(order, part, after):
            if offset:
                count = await self._count(order, piece)
                if count <= offset:
                    offset -= count
                    continue
            lines += await order.lines(
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
        order = self._order_of(part)
        if order is None:
            return await self._listing.count(part)
        total = sum([await self._count(order, piece) for piece in self._pieces(order, part)])
        if isinstance(order, MatchOrder):
            order.landmarks.compact()
        return total

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
        for order in self._orders.values():
            await self._tend(order, at_most=_READ_TOGETHER)
        left = _READ_TOGETHER
        for name, matches in tuple(self._matches.items()):
            if left and matches.is_asked_for:
                left -= await self._tend(matches, at_most=left)
                matches.landmarks.compact()
                if self._matches.pop(name, None) is matches:
                    self._matches[name] = matches  # others first, the next time

    async def _tend(self, order: BlockOrder, *, at_most: int) -> int:
        """Split and count blocks of an order; tell how many were read."""
        large = order.landmarks.large()[:at_most]
        for block in large:
            await self._split(order, block)
        unknown = order.landmarks.unknown(order.counted_up_to, limit=at_most - len(large))
        if not large and not unknown and order.is_asked_for:
            unknown = [order.landmarks.block(order.counted_up_to)]
        for block in unknown:
            await self._count_again(order, block)
        return len(large) + len(unknown)

    def _places(self, line: Listed | None) -> dict[BlockOrder, str]:
        """Where a line stands in each order it stands in."""
        if line is None:
            return {}
        places = {order: line.keys[key] for key, order in self._orders.items()}
        matches = (self._matches.get(name) for name in line.filters)
        return places | {order: line.keys[CREATED] for order in matches if order is not None}

    def _order_of(self, part: Range) -> BlockOrder | None:
        """Find the order whose blocks tell how many are in a range; None = there is none."""
        if part.filter_id is None:
            return self._orders[part.key]
        if part.prefix:
            return None
        order = self._matches.get(part.filter_id)
        if order is None:
            if len(self._matches) >= _MAX_MATCH_ORDERS:
                del self._matches[min(self._matches, key=lambda name: self._matches[name].asked_at)]
            begins = self._orders[CREATED].landmarks.begins
            step = -(-len(begins) // _FIRST_BLOCKS)
            landmarks = Landmarks.at(begins[::step], size=self._size)
            order = self._matches[part.filter_id] = MatchOrder(self._listing, part.filter_id, landmarks)
        return order

    def _pieces(self, order: BlockOrder, part: Range, after: str = "") -> list[Piece]:
        order.ask()
        if part.prefix.endswith("/"):  # an application or a version, not a search that is asked for once
            order.landmarks.place((part.prefix, part.end))
        pieces = order.landmarks.pieces(*part.bounds(after))
        return pieces[::-1] if part.descending else pieces

    async def _count(self, order: BlockOrder, piece: Piece) -> int:
        if piece.count is not None:
            return piece.count
        moment = order.landmarks.moment(piece)
        count = await order.count((piece.low, piece.high))
        if moment is not None and moment == order.landmarks.moment(piece):
            order.landmarks.counted(piece, count)
        if order.landmarks.is_large(count):
            self._grown.set()
        return count

    async def _count_again(self, order: BlockOrder, block: Piece) -> None:
        order.counted_up_to = block.high or ""
        count = await self._count(order, replace(block, count=None))
        if order.landmarks.is_large(count):
            await self._split(order, block)
            return
        gone = order.landmarks.merge(block.low)
        if gone is not None and not isinstance(order, MatchOrder):
            with store_errors():
                await self._collection.update_one({"_id": order.key}, {"$pull": {"begins": gone}})

    async def _split(self, order: BlockOrder, block: Piece) -> None:
        block = order.landmarks.block(block.low)  # it may have been cut or joined since it was found
        moment = order.landmarks.moment(block)
        keys = await order.keys((block.low, block.high))
        now = order.landmarks.block(block.low)
        same = (now.low, now.high) == (block.low, block.high)
        exact = same and moment is not None and moment == order.landmarks.moment(block)
        cuts = order.landmarks.split(keys, exact=exact)
        if not isinstance(order, MatchOrder):
            with store_errors():
                await self._collection.update_one(
                    {"_id": order.key}, {"$addToSet": {"begins": {"$each": cuts}}}, upsert=True
                )

    @contextmanager
    def _write(self, *lines: Listed | None) -> Iterator[None]:
        """Let no count be believed that meets these lines; when the outcome is unknown, none of theirs."""
        places = [place for line in lines for place in self._places(line).items()]
        for order, key in places:
            order.landmarks.write_begins(key)
        try:
            yield
        except BaseException:
            self._forget(*lines)
            raise
        finally:
            for order, key in places:
                order.landmarks.write_ends(key)
            known = {order for order, _ in places}
            for line in lines:
                for order, key in self._places(line).items():
                    if order not in known:  # it is asked for since this began
                        order.landmarks.forget(key)

    def _note(self, before: Listed | None, after: Listed | None) -> None:
        were, are = self._places(before), self._places(after)
        for order, key in were.items() - are.items():
            order.landmarks.changed(key, -1)
        for order, key in are.items() - were.items():
            order.landmarks.changed(key, 1)
            if order.landmarks.is_large(order.landmarks.block(key).count or 0):
                self._grown.set()

    def _forget(self, *lines: Listed | None) -> None:
        for line in lines:
            for order, key in self._places(line).items():
                order.landmarks.forget(key)
