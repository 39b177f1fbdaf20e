"""No change without a record: written down before its owner is asked, and again with what came of it.

A change begins when its record is durable; where that fails nobody is asked. The outcome follows in the
background: if it is lost with this process, the record says ``unknown``, which is the truth. What is said at
the same time goes in one publish, and while that is on its way the next one gathers, so a stream that syncs
every message costs a burst of changes no more than one of them.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import islice
from typing import Final

import msgspec
import structlog

from libs.bus.token_buckets import TokenBuckets
from libs.contracts.api_keys import ApiKey
from libs.contracts.audit import MAX_ENTRIES, AuditEntry, record_id
from libs.contracts.errors import ForbiddenError, GroveError, InternalError, UnavailableError
from libs.contracts.instants import unix_ms
from libs.contracts.messages import Reply, Request
from services.api_gateway import metrics
from services.api_gateway.audit_entries import Call, entry_of, named_by
from services.api_gateway.ports import AuditLog, Clock

MAX_OUTCOMES: Final = 10_000
"""That wait to be written down while the stream is away; those of more changes stay unknown."""
REFUSALS_PER_S: Final = 1.0
MAX_REFUSALS: Final = 60
"""Of one API key, in a row: whoever asks for what it may not do must not fill the trail."""

_REST_S: Final = 0.2
_FAREWELL_S: Final = 3.0
_RANDOM_BYTES: Final = 8
_log = structlog.get_logger()


class Change:
    """A change that was begun.

    Attributes:
        entry: What is known of it.
    """

    def __init__(self, entry: AuditEntry) -> None:
        self.entry = entry

    def done(self, reply: Reply) -> None:
        """Take names out of what the owner answered."""
        self.entry = named_by(self.entry, reply)


class Trail:
    """Says what is to be remembered, in the order it happened.

    Args:
        log: Where to.
        patience_s: How long a change waits until it is written down.
        max_outcomes: That wait at the same time.
    """

    def __init__(self, log: AuditLog, *, patience_s: float, max_outcomes: int = MAX_OUTCOMES) -> None:
        self._log = log
        self._patience_s = patience_s
        self._max_outcomes = max_outcomes
        self._begun: dict[asyncio.Future[None], AuditEntry] = {}
        self._outcomes: deque[AuditEntry] = deque()
        self._something = asyncio.Event()
        self._sending = asyncio.Lock()

    def __len__(self) -> int:
        """Count the changes that wait to be written down: no more than are being asked for."""
        return len(self._begun)

    async def begin(self, entry: AuditEntry) -> None:
        """Return when the change is written down.

        Raises:
            UnavailableError: It is not, so it must not be made.
        """
        began = time.perf_counter()
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._begun[durable] = entry
        self._something.set()
        try:
            async with asyncio.timeout(self._patience_s):
                await durable
        except (TimeoutError, GroveError) as error:
            metrics.AUDITED.labels("refused").inc()
            raise UnavailableError("the change was not made: it cannot be recorded now") from error
        finally:
            self._begun.pop(durable, None)  # whoever gave up waits no more
        metrics.AUDITED.labels("begun").inc()
        metrics.AUDIT_SECONDS.observe(time.perf_counter() - began)

    def end(self, entry: AuditEntry) -> None:
        """Have an outcome written down; nobody waits for it."""
        if len(self._outcomes) >= self._max_outcomes:
            metrics.AUDITED.labels("outcome lost").inc()
            return
        self._outcomes.append(entry)
        self._something.set()

    async def run(self) -> None:
        """Root task: write down what there is; never ends by itself."""
        while True:
            await self._something.wait()
            self._something.clear()
            while self._begun or self._outcomes:
                if not await self._send():
                    await asyncio.sleep(_REST_S)

    async def finish(self, *, within_s: float = _FAREWELL_S) -> None:
        """Write down what there is, within this time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._outcomes and await self._send():
                    pass
        if self._outcomes:
            metrics.AUDITED.labels("outcome lost").inc(len(self._outcomes))
            _log.error("audit.outcomes_lost", count=len(self._outcomes))

    async def _send(self) -> bool:
        """Publish some of what waits, changes that wait for it first; False when that failed."""
        async with self._sending:
            begun = [(self._begun.pop(each), each) for each in list(islice(self._begun, MAX_ENTRIES))]
            begun = [each for each in begun if not each[1].done()]
            room = min(MAX_ENTRIES - len(begun), len(self._outcomes))
            outcomes = [self._outcomes.popleft() for _ in range(room)]
            if not begun and not outcomes:
                return True
            entries = [entry for entry, _ in begun] + outcomes
            try:
                await self._log.store(entries, deadline_s=self._patience_s)
            except GroveError as error:
                _log.warning("audit.not_written", entries=len(entries), reason=error.reason_phrase)
                _tell(begun, error)
                self._outcomes.extendleft(reversed(outcomes))
                return False
            except asyncio.CancelledError:
                self._outcomes.extendleft(reversed(outcomes))
                raise
        _tell(begun, None)
        return True


class Auditing:
    """Stands around every route that changes something."""

    def __init__(self, trail: Trail, *, clock: Clock) -> None:
        """Write to ``trail``."""
        self._trail = trail
        self._clock = clock
        self._refusals = TokenBuckets(samples_per_s=REFUSALS_PER_S, burst=MAX_REFUSALS)

    @contextmanager
    def refusals(self, call: Call, api_key: ApiKey) -> Iterator[None]:
        """Remember that a key asked for a change it may not make."""
        try:
            yield
        except ForbiddenError as error:
            if call.route.changes and self._refusals.take(api_key.api_key_id, 1):
                self._end(self._entry(call, api_key), error.status_code)
            raise

    @asynccontextmanager
    async def change(self, call: Call, api_key: ApiKey, message: Request) -> AsyncIterator[Change]:
        """Carry a change out inside; a route that changes nothing leaves no trace.

        Raises:
            UnavailableError: It cannot be written down; what is inside was not begun.
            GroveError: What came of what is inside.
        """
        change = Change(named_by(self._entry(call, api_key), message))
        if not call.route.changes:
            yield change
            return
        try:
            await self._trail.begin(change.entry)
            yield change
        except GroveError as error:
            self._end(change.entry, error.status_code)
            raise
        except Exception:
            self._end(change.entry, InternalError.status_code)
            raise
        self._end(change.entry, call.route.success)

    def _entry(self, call: Call, api_key: ApiKey) -> AuditEntry:
        now_ms = unix_ms(self._clock.now())
        return entry_of(call, api_key, record_id=record_id(now_ms, secrets.token_bytes(_RANDOM_BYTES)))

    def _end(self, entry: AuditEntry, status_code: int) -> None:
        self._trail.end(msgspec.structs.replace(entry, status_code=status_code))


def _tell(begun: list[tuple[AuditEntry, "asyncio.Future[None]"]], error: GroveError | None) -> None:
    for _, durable in begun:
        if durable.done():
            continue
        if error is None:
            durable.set_result(None)
        else:
            durable.set_exception(error)
