"""Many endpoints in one request: each is created as carefully as a single one, or not at all.

The steps are those of :mod:`.endpoints` in the same order - hidden, token, line, seen - but each is taken for
all rows together, with one write where the store has one. A row that is refused, or fails, concerns no
other; what is left of it is taken back at once, or by :mod:`.sweeping`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeAlias

from libs.contracts.api_keys import check_limits
from libs.contracts.endpoint_tables import MAX_ROWS, EndpointRow, ImportEndpoints
from libs.contracts.errors import BadRequestError, ConflictError, GroveError, UnavailableError
from libs.contracts.ids import AppVersionName, check_endpoint_id, check_token
from services.endpoint_register.domain.endpoint import Endpoint, EndpointState
from services.endpoint_register.domain.metadata import check_metadata
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.enlisting import enlist_many
from services.endpoint_register.usecases.removing import discard
from services.endpoint_register.usecases.scope import application_named_in, check_open

_AT_ONCE: Final = 8
"""Where each row is a write of its own; more are no faster, and the last would wait too long."""
_FIRST_SERVER_ERROR: Final = 500

Created: TypeAlias = tuple[Endpoint, str]
"""A new endpoint and its token."""


@dataclass(frozen=True, slots=True)
class _Draft:
    """A row on its way to an endpoint.

    Attributes:
        number: Its place among the rows.
        endpoint: The endpoint, hidden, with the event of its registration.
        token: Its first token.
    """

    number: int
    endpoint: Endpoint
    token: str


async def import_endpoints(cmd: ImportEndpoints, *, parts: Parts) -> list[Created | GroveError]:
    """Create an endpoint for each row, and tell what became of each, in order.

    Raises:
        BadRequestError: Too many rows.
        ForbiddenError: The API key may not touch the application.
        NotFoundError: There is no such application version.
        ConflictError: The version is being removed.
    """
    if len(cmd.payload) > MAX_ROWS:
        raise BadRequestError(f"at most {MAX_ROWS} rows")
    version = AppVersionName(cmd.application_version_name)
    check_limits(cmd.applications, application_named_in(version))
    await check_open(version, parts=parts)
    batch = _Batch(cmd, parts)
    batch.read()
    await batch.step(batch.add)
    # Again, now that whoever removes the version can see the endpoints: one of us notices.
    await batch.step(batch.check)
    await batch.step(batch.store_tokens)
    await batch.step(batch.enlist)
    await batch.step(batch.finish)
    return [batch.outcomes[number] for number in range(len(cmd.payload))]


class _Batch:
    """The rows that are still on their way, and what became of the others."""

    def __init__(self, cmd: ImportEndpoints, parts: Parts) -> None:
        self._cmd = cmd
        self._parts = parts
        self._drafts: list[_Draft] = []
        self.outcomes: dict[int, Created | GroveError] = {}

    async def step(self, take: Callable[[], Awaitable[None]]) -> None:
        """Take a step for all rows on their way, if there are any; where it fails, it fails for all."""
        if not self._drafts:
            return
        try:
            await take()
        except GroveError as error:
            await self._fail(dict.fromkeys([draft.number for draft in self._drafts], error))

    def read(self) -> None:
        """Make drafts of the rows that can be endpoints."""
        taken: set[str] = set()
        for number, row in enumerate(self._cmd.payload):
            try:
                draft = self._draft(number, row)
                if draft.endpoint.id in taken:
                    raise _taken(draft)
            except GroveError as error:
                self.outcomes[number] = error
            else:
                taken.add(draft.endpoint.id)
                self._drafts.append(draft)

    async def add(self) -> None:
        """Write the endpoints, hidden."""
        stored = await self._parts.endpoints.add_many([draft.endpoint for draft in self._drafts])
        others = [draft for draft in self._drafts if draft.endpoint.id not in stored]
        self.outcomes |= {draft.number: _taken(draft) for draft in others}
        self._keep_open()

    async def check(self) -> None:
        """See that the version still takes endpoints."""
        await check_open(AppVersionName(self._cmd.application_version_name), parts=self._parts)

    async def store_tokens(self) -> None:
        """Let credential-manager store the tokens."""
        pairs = [(draft.endpoint, draft.token) for draft in self._drafts]
        refusals = await self._parts.credentials.store_tokens(pairs)
        told = zip(self._drafts, refusals, strict=True)
        await self._fail({draft.number: refusal for draft, refusal in told if refusal is not None})

    async def enlist(self) -> None:
        """Write the lines by which the endpoints are listed."""
        failed = await enlist_many(
            [draft.endpoint for draft in self._drafts],
            endpoints=self._parts.endpoints,
            listing=self._parts.listing,
        )
        await self._fail(
            {each.number: failed[each.endpoint.id] for each in self._drafts if each.endpoint.id in failed}
        )

    async def finish(self) -> None:
        """Let the endpoints be seen, each with its event."""
        endpoints = self._parts.endpoints
        with suppress(UnavailableError):  # perhaps only the answer was lost: what is seen was done
            await endpoints.reveal([draft.endpoint for draft in self._drafts])
        ids = [draft.endpoint.id for draft in self._drafts]
        now = {each.id: each for each in await endpoints.find_many(ids, metadata=False)}
        for draft in self._drafts:
            hidden, found = draft.endpoint, now.get(draft.endpoint.id)
            if found is None or (found.incarnation, found.state) != (hidden.incarnation, EndpointState.READY):
                self.outcomes[draft.number] = UnavailableError("it was not created, or is taken back")
                continue
            ready = hidden.revealed()
            self._parts.announcing.offer(ready)
            self.outcomes[draft.number] = (ready, draft.token)
        self._keep_open()

    async def _fail(self, errors: dict[int, GroveError]) -> None:
        """Settle rows; what was refused is taken back at once, where the outcome is unknown later."""
        refused = [
            draft
            for draft in self._drafts
            if draft.number in errors and errors[draft.number].status_code < _FIRST_SERVER_ERROR
        ]
        self.outcomes |= errors
        self._keep_open()
        await self._each(refused, self._discard)

    async def _discard(self, draft: _Draft) -> None:
        with suppress(GroveError):
            await discard(draft.endpoint, parts=self._parts)

    async def _each(self, drafts: list[_Draft], work: Callable[[_Draft], Awaitable[None]]) -> None:
        turns = asyncio.Semaphore(_AT_ONCE)

        async def in_turn(draft: _Draft) -> None:
            async with turns:
                await work(draft)

        async with asyncio.TaskGroup() as group:
            for draft in drafts:
                group.create_task(in_turn(draft), name=f"import row {draft.number}")

    def _keep_open(self) -> None:
        self._drafts = [draft for draft in self._drafts if draft.number not in self.outcomes]

    def _draft(self, number: int, row: EndpointRow) -> _Draft:
        entropy, now = self._parts.entropy, self._parts.clock.now()
        token = entropy.token_value() if row.endpoint_token is None else check_token(row.endpoint_token)
        endpoint_id = entropy.endpoint_id() if row.endpoint_id is None else check_endpoint_id(row.endpoint_id)
        check_metadata(row.metadata)
        version = AppVersionName(self._cmd.application_version_name)
        endpoint = Endpoint(
            id=endpoint_id,
            application=application_named_in(version),
            version=version,
            version_since=now,
            created_at=now,
            incarnation=entropy.attempt(),
            metadata=row.metadata,
        )
        return _Draft(number, endpoint.announced(correlation_id=self._cmd.correlation_id), token)


def _taken(draft: _Draft) -> ConflictError:
    return ConflictError(f"endpoint id {draft.endpoint.id} is taken")
