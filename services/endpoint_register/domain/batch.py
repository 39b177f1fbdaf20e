"""A task that creates many endpoints: what is to be done, what became of it, and who comes back when.

::

    OFFERED --admitted--> PENDING --claimed--> RUNNING --nothing left--> DONE --a day--> (no more)
        |                                      ^     |
        +--nobody admitted it--> (no more)     +-----+ released, or its lease has run out

Everything that is drawn for an endpoint is drawn when the task is accepted: id and token. So whoever goes
on with a task whose worker has died makes the same endpoints, and recognises those that are made by their
incarnations, which begin with :meth:`Batch.lineage`. Every change is a compare-and-set on ``revision``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final, NewType

from libs.contracts.ids import ApplicationName, AppVersionName, EndpointId

BatchId = NewType("BatchId", str)

MAX_ITEMS: Final = 1000
MAX_WAITING: Final = 16
"""Tasks of one application that are not done: 16,000 endpoints, a few minutes of work."""
TOKENS_KEPT: Final = timedelta(hours=1)
"""How long after the end of a task its tokens can be read."""
DONE_KEPT: Final = timedelta(days=1)
GIVE_UP_AFTER: Final = timedelta(hours=1)
"""Age of a task at which what fails again and again has failed for good."""


class BatchState(Enum):
    """Where a task is in its life."""

    OFFERED = "offered"
    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchItem:
    """One endpoint to be created.

    Attributes:
        endpoint_id: Its id.
        token: Its first token; None once it is forgotten.
        metadata: Empty once it is not needed any more.
        given_id: Whether the id was given.
        given_token: Whether the token was.
    """

    endpoint_id: EndpointId
    token: str | None = field(repr=False)
    metadata: Mapping[str, Any]
    given_id: bool
    given_token: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A task.

    Attributes:
        id: Random: whoever knows it was told.
        application: Where its endpoints belong.
        version: Where they start.
        correlation_id: Of the request; their events carry it.
        created_at: When it was asked for.
        due_at: When somebody has to come back to it.
        items: What is to be created.
        state: Where it is in its life.
        revision: Counts its changes.
        outcomes: By number of the item: why it failed, or None when it was created.
        done_at: When nothing was left to do.
    """

    id: BatchId
    application: ApplicationName
    version: AppVersionName
    correlation_id: str
    created_at: datetime
    due_at: datetime
    items: tuple[BatchItem, ...]
    state: BatchState = BatchState.OFFERED
    revision: int = 0
    outcomes: Mapping[int, str | None] = field(default_factory=dict)
    done_at: datetime | None = None

    @property
    def pending(self) -> list[int]:
        """Numbers of the items nothing is known of."""
        return [number for number in range(len(self.items)) if number not in self.outcomes]

    @property
    def holds_tokens(self) -> bool:
        """Whether any token is left in it."""
        return any(item.token is not None for item in self.items)

    def lineage(self, number: int) -> str:
        """What the incarnations of an item's endpoint begin with, and no others."""
        return f"{self.id}-{number}-"

    def admitted(self, *, at: datetime) -> "Batch":
        """Let it be worked on."""
        return replace(self, state=BatchState.PENDING, revision=self.revision + 1, due_at=at)

    def claimed(self, *, until: datetime) -> "Batch":
        """Take it, until then."""
        return replace(self, state=BatchState.RUNNING, revision=self.revision + 1, due_at=until)

    def noted(self, outcomes: Mapping[int, str | None], *, at: datetime, until: datetime) -> "Batch":
        """Note what became of some items, and hold it until then; without anything left it is done."""
        known = {**self.outcomes, **outcomes}
        if len(known) < len(self.items):
            return replace(self, revision=self.revision + 1, outcomes=known, due_at=until)
        return replace(
            self,
            state=BatchState.DONE,
            revision=self.revision + 1,
            outcomes=known,
            items=tuple(self._kept(item, known[number]) for number, item in enumerate(self.items)),
            done_at=at,
            due_at=at + TOKENS_KEPT,
        )

    def released(self, *, at: datetime) -> "Batch":
        """Let anybody go on with it from then on."""
        return replace(self, revision=self.revision + 1, due_at=at)

    def without_tokens(self, *, done_at: datetime) -> "Batch":
        """Forget the tokens; what is left is forgotten a day after the end."""
        items = tuple(replace(item, token=None) for item in self.items)
        return replace(self, revision=self.revision + 1, items=items, due_at=done_at + DONE_KEPT)

    @staticmethod
    def _kept(item: BatchItem, reason: str | None) -> BatchItem:
        """Keep what will be shown: of what was created only its id, and a token that was generated."""
        if reason is not None:
            return item if item.given_token else replace(item, token=None)
        return replace(item, metadata={}, token=None if item.given_token else item.token)
