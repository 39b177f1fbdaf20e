"""Samples as documents, one each (docs/adr/0005): ``samples``, and ``holders``, who has any.

``_id`` is the sample's id, ``e`` the endpoint, ``v`` its version, ``t`` and ``r`` sample and receipt time,
``s`` the sample as JSON text, ``m`` its message key if it has one. Text costs the store less than a document,
comes back as it was sent, and holds nothing that a store could refuse. A holder is written before the first
sample of its endpoint, so that everything can be found by application without an index over all samples.

Ranges of time end with ``$lt``: with ``$lte`` the embedded store leaves out what is at the end, as the index
goes on behind it (contract tests hold our way). They are read in order of time, long ones in spans
(docs/adr/0014), in pages; a page that ends among samples of the same time is read again from there.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

from pymongo import errors

from libs.contracts.errors import UnavailableError
from libs.contracts.ids import application_of
from libs.store import Document, Index, Store, store_errors
from services.data_collection.domain.durations import DAY_MS, HOUR_MS
from services.data_collection.domain.samples import Place, Sample
from services.data_collection.domain.spans import Spans
from services.data_collection.domain.storing import Inserted, judge

_INDEXES: Final = (
    Index(name="endpoint-time", keys=[("e", 1), ("t", 1), ("_id", 1)]),
    Index(name="message", keys=[("m", 1)], unique=True, partial={"m": {"$exists": True}}),
)
_HOLDER_INDEXES: Final = (Index(name="application", keys=[("a", 1), ("e", 1)]),)
_PAGE: Final = 1000
_MAX_KNOWN: Final = 200_000
_MOST_DELETED: Final = 1000
"""At once; a quarter is aimed at."""
_FIRST_SPAN_MS: Final = 2 * HOUR_MS
_FIRST_READ_MS: Final = 6 * HOUR_MS
_LONGEST_READ_MS: Final = 90 * DAY_MS
"""What comes behind nothing may be a lot."""
_MOST_EMPTY: Final = 64
"""Questions at most for a range in which nothing is, but for some."""
_END_MS: Final = 2**53
"""No sample has a time so late."""
_DONE: Final = Inserted()


class MongoSampleRepository:
    """The collections ``samples`` and ``holders``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._samples = store.collection("samples")
        self._holders = store.collection("holders")
        self._known: set[tuple[str, str]] = set()

    async def prepare(self) -> None:
        """Create the indexes."""
        await self._store.ensure(self._samples, _INDEXES)
        await self._store.ensure(self._holders, _HOLDER_INDEXES)

    async def insert(self, samples: Sequence[Sample]) -> Inserted:
        """Store samples; those that are there already stay as they are."""
        await self._know(samples)
        with store_errors():
            try:
                await self._samples.insert_many([_document(each) for each in samples], ordered=False)
            except errors.BulkWriteError as error:
                outcome = judge(error.details or {})
                if outcome is None:
                    raise UnavailableError("the store does not say what it has stored") from error
                return outcome
        return _DONE

    async def between(
        self,
        endpoint_ids: Sequence[str],
        from_ms: int,
        to_ms: int,
        *,
        after: Place | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> AsyncIterator[Sample]:
        """Find samples, endpoint by endpoint, page by page."""
        start = 0 if after is None else list(endpoint_ids).index(after.endpoint_id)
        left = limit
        for endpoint_id in endpoint_ids[start:]:
            place = after if after is not None and after.endpoint_id == endpoint_id else None
            async for sample in self._of(endpoint_id, (from_ms, to_ms), place, newest_first=newest_first):
                if left is not None:
                    if left <= 0:
                        return
                    left -= 1
                yield sample

    async def _of(
        self, endpoint_id: str, span: tuple[int, int], after: Place | None, *, newest_first: bool
    ) -> AsyncIterator[Sample]:
        """Read by spans of time: the embedded store reads all of a range for each page of it."""
        first, end = _behind(span, after, newest_first=newest_first)
        spans = Spans(
            most=_PAGE,
            first_ms=_FIRST_READ_MS,
            longest_ms=max(_LONGEST_READ_MS, (end - first) // _MOST_EMPTY),
            from_beginning=not newest_first,
        )
        spans.begin(first, end)
        failed = False
        while (part := spans.span) is not None:
            count = 0
            try:
                async for sample in self._within(endpoint_id, part, after, newest_first=newest_first):
                    count += 1
                    yield sample
            except UnavailableError:
                if failed or count:
                    raise
                failed = True  # perhaps there was more than anywhere so far
                spans.narrow()
            else:
                failed = False
                spans.passed(count)

    async def _within(
        self, endpoint_id: str, span: tuple[int, int], after: Place | None, *, newest_first: bool
    ) -> AsyncIterator[Sample]:
        """Page by sample time: a condition on both time and id is one that no index answers well."""
        size = _PAGE
        while True:
            left = _behind(span, after, newest_first=newest_first)
            page = await self._page(endpoint_id, left, size, newest_first=newest_first)
            new = [
                each for each in page if after is None or _is_behind(each, after, newest_first=newest_first)
            ]
            for each in new:
                yield each
            if len(page) < size:
                return
            # More samples of one time than a page holds: only a larger one goes on.
            size = _PAGE if new else 2 * size
            if new:
                last = new[-1]
                after = Place(endpoint_id, last.time_ms, last.id)

    async def _page(
        self, endpoint_id: str, span: tuple[int, int], size: int, *, newest_first: bool
    ) -> list[Sample]:
        way = -1 if newest_first else 1
        wanted = {"e": endpoint_id, "t": {"$gte": span[0], "$lt": span[1]}}
        with store_errors():
            documents = await self._samples.find(
                wanted, sort=[("t", way), ("_id", way)], limit=size, batch_size=size + 1
            ).to_list()
        return [_sample(each) for each in documents]

    async def endpoints_of(self, application: str) -> AsyncIterator[str]:
        """Name the endpoints of an application."""
        after = ""
        while True:
            wanted = {"a": application, "e": {"$gt": after}}
            with store_errors():
                page = await self._holders.find(wanted, sort=[("e", 1)], limit=_PAGE).to_list()
            for each in page:
                yield str(each["e"])
            if len(page) < _PAGE:
                return
            after = str(page[-1]["e"])

    async def delete_older(
        self, endpoint_id: str, from_ms: int, before_ms: int, *, application: str
    ) -> AsyncIterator[int]:
        """Delete samples by sample time, slice by slice."""

        # Its id may have been given again, in an application that keeps samples for longer.
        def is_of_it(document: Document) -> bool:
            return application_of(document["v"]) == application

        async for count in self._delete(endpoint_id, from_ms, before_ms, is_of_it):
            yield count

    async def delete_received(self, endpoint_id: str, until_ms: int) -> AsyncIterator[int]:
        """Delete samples received until an instant, slice by slice."""

        def is_received(document: Document) -> bool:
            return bool(document["r"] <= until_ms)

        # First back from then: what devices say of later times is little.
        for from_ms, to_ms in ((0, until_ms + _FIRST_SPAN_MS), (until_ms + _FIRST_SPAN_MS, _END_MS)):
            async for count in self._delete(endpoint_id, from_ms, to_ms, is_received):
                yield count

    async def _delete(
        self, endpoint_id: str, from_ms: int, to_ms: int, chosen: Callable[[Document], bool]
    ) -> AsyncIterator[int]:
        """Delete by spans of time what is chosen of it.

        The embedded store reads all of a range. With one condition more than its index has, it reads all of
        the endpoint (*m* 20 times as long for 222 of 10,000), so what is found is chosen here.
        """
        spans = Spans(most=_MOST_DELETED, first_ms=_FIRST_SPAN_MS)
        spans.begin(from_ms, to_ms)
        failed = False
        while (span := spans.span) is not None:
            try:
                found = await self._found(endpoint_id, span, limit=spans.most)
            except UnavailableError:
                if failed:
                    raise
                failed = True  # perhaps more was there than anywhere so far
                spans.narrow()
                continue
            failed = False
            if len(found) < spans.most or span[1] - span[0] == 1:
                spans.passed(len(found))
            else:
                spans.narrow()  # there may be more, and what is not chosen would be found again
                continue
            those = [each["_id"] for each in found if chosen(each)]
            for start in range(0, len(those), spans.most):
                with store_errors():
                    result = await self._samples.delete_many(
                        {"_id": {"$in": those[start : start + spans.most]}}
                    )
                yield result.deleted_count

    async def _found(self, endpoint_id: str, span: tuple[int, int], *, limit: int) -> list[Document]:
        """What is in a span; all of it where it is as short as can be."""
        wanted = {"e": endpoint_id, "t": {"$gte": span[0], "$lt": span[1]}}
        at_most = limit if span[1] - span[0] > 1 else 0
        with store_errors():
            return await self._samples.find(wanted, {"v": 1, "r": 1}, limit=at_most).to_list()

    async def _know(self, samples: Sequence[Sample]) -> None:
        """Write down who has samples, before there are any."""
        pairs = {(str(application_of(each.app_version)), each.endpoint_id) for each in samples}
        new = [pair for pair in pairs if pair not in self._known]
        if not new:
            return
        documents = [{"_id": f"{a}/{e}", "a": a, "e": e} for a, e in new]
        with store_errors():
            try:
                await self._holders.insert_many(documents, ordered=False)
            except errors.BulkWriteError as error:
                outcome = judge(error.details or {})
                if outcome is None or outcome.refused or outcome.known:
                    raise UnavailableError("the store does not say what it has stored") from error
        if len(self._known) + len(new) > _MAX_KNOWN:
            self._known.clear()
        self._known.update(new)


def _behind(span: tuple[int, int], after: Place | None, *, newest_first: bool) -> tuple[int, int]:
    """What is left of a range of time behind a sample: its own time is, for others may have the same."""
    first, end = span
    if after is None:
        return span
    return (first, min(end, after.time_ms + 1)) if newest_first else (max(first, after.time_ms), end)


def _is_behind(sample: Sample, place: Place, *, newest_first: bool) -> bool:
    here, there = (sample.time_ms, sample.id), (place.time_ms, place.id)
    return here < there if newest_first else here > there


def _document(sample: Sample) -> Document:
    document: Document = {
        "_id": sample.id,
        "e": sample.endpoint_id,
        "v": sample.app_version,
        "t": sample.time_ms,
        "r": sample.received_ms,
        "s": sample.text,
    }
    if sample.message_key is not None:
        document["m"] = sample.message_key
    return document


def _sample(document: Document) -> Sample:
    return Sample(
        bytes(document["_id"]),
        document["e"],
        document["v"],
        document["t"],
        document["r"],
        bytes(document["s"]),
        document.get("m"),
    )
