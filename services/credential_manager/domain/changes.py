"""How a change is made exactly once and told at least once.

Every record counts its changes in ``revision``: a write names the revision it replaces, so of two
concurrent ones a single one wins. Every write draws an ``attempt``: when its outcome got lost (a
cut connection, a restarted store that answers the driver's own retry with "no such revision"), the
record that is found tells by its attempt whose write stands. And every change leaves
``announce_from`` on the record until its events are safely published, so that no crash between
the write and the event can swallow it; :mod:`services.credential_manager.usecases.announcing` acts
on that.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from libs.contracts.messages import Event
from libs.contracts.subjects import EventType


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One write.

    Attributes:
        attempt: Random; nothing else ever writes with it.
        at: When it is made.
        announce_from: From when on any replica may tell it. Whoever makes the change tells it
            before that, and leaves it to the others where it cannot.
    """

    attempt: str
    at: datetime
    announce_from: datetime


@dataclass(frozen=True, slots=True)
class Announcement:
    """An event to publish; published twice under one ``message_id`` it is kept once."""

    kind: EventType[Any]
    event: Event
    message_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record(ABC):
    """What is stored, as far as its changes go.

    Attributes:
        id: Names the record for good.
        revision: 1, then one more with every change.
        attempt: Of the write that made this revision.
        changed_at: When this revision was made.
        announce_from: See :class:`Change`; None = this revision has been announced, or has
            nothing to announce.
    """

    id: str
    revision: int
    attempt: str
    changed_at: datetime
    announce_from: datetime | None

    @abstractmethod
    def announcements(self) -> tuple[Announcement, ...]:
        """Say what others must hear about this revision, the urgent part first."""
