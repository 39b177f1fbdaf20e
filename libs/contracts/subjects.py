"""Subjects: the one place that spells them (protocol/bus.md, after Kaa 3/ISM).

An :class:`Operation` is a request another service can make; an :class:`EventType` is something
broadcast. Both know their subject and their messages, so callers, servers, the gateway's route
table and the generated documents all speak from the same declaration.
"""

import re
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias

from libs.contracts.messages import EventT, ReplyT, RequestT

DEFAULT_ROOT = "grove.v1"

_UNSAFE = re.compile(rb"[^A-Za-z0-9_~-]")
_ROOT = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


def encode_token(value: str) -> str:
    """Make any text one subject token: bytes outside ``[A-Za-z0-9_~-]`` become ``%XX``.

    Raises:
        ValueError: The text is empty; a subject token cannot be.
    """
    if not value:
        message = "a subject token cannot be empty"
        raise ValueError(message)
    return _UNSAFE.sub(lambda m: b"%%%02X" % m[0][0], value.encode()).decode()


class Subjects:
    """Builds every subject below one root."""

    __slots__ = ("root",)

    def __init__(self, root: str = DEFAULT_ROOT) -> None:
        """Use ``root``, dot-separated tokens of ``[A-Za-z0-9_-]``.

        Raises:
            ValueError: It is not such a root.
        """
        if not _ROOT.fullmatch(root):
            message = f"not a subject root: {root!r}"
            raise ValueError(message)
        self.root = root

    def service(self, instance: str, protocol: str, message_type: str) -> str:
        """``<root>.service.<instance>.<protocol>.<messageType>``: any replica of a service."""
        return self._join("service", instance, protocol, message_type)

    def replica(self, replica_id: str, protocol: str, message_type: str) -> str:
        """``<root>.replica.<replicaId>.<protocol>.<messageType>``: one replica."""
        return self._join("replica", replica_id, protocol, message_type)

    def push(self, run_id: str) -> str:
        """``<root>.replica.<runId>.push``: the replica that holds an endpoint."""
        return self._join("replica", run_id, "push")

    def event(self, originator: str, entity: str, group: str, kind: str, *extra: str) -> str:
        """``<root>.events.<originator>.<entity>.<group>.<type>[.<extra>]``: a broadcast."""
        return self._join("events", originator, entity, group, kind, *extra)

    def events_of(self, entity: str, group: str, originator: str = "*", kind: str = ">") -> str:
        """The subscription pattern for events of a group, from anyone unless named."""
        return f"{self.root}.events.{originator}.{entity}.{group}.{kind}"

    def _join(self, *tokens: str) -> str:
        return ".".join((self.root, *map(encode_token, tokens)))


@dataclass(frozen=True, slots=True)
class Operation(Generic[RequestT, ReplyT]):
    """A request that a service answers.

    Attributes:
        instance: Whom it addresses; also the queue group that shares the work.
        protocol: The Kaa protocol or our name for the group of operations.
        name: The message type, last token of the subject.
        request: Struct of the request.
        reply: Struct of the answer.
        summary: What it does, one line for generated tables.
    """

    instance: str
    protocol: str
    name: str
    request: type[RequestT]
    reply: type[ReplyT]
    summary: str

    def subject(self, subjects: Subjects) -> str:
        """Where requests of this kind are sent."""
        return subjects.service(self.instance, self.protocol, self.name)


@dataclass(frozen=True, slots=True)
class EventType(Generic[EventT]):
    """An event that a service broadcasts.

    Attributes:
        originator: The service instance that says it.
        entity: What it is about (``endpoint``, ``api-key``).
        group: Which group of events (``token``, ``metadata``).
        name: The event type, past tense.
        event: Struct of the message.
        summary: What has happened, one line for generated tables.
        extra: Which fields of the message are further tokens of the subject, as on the wire.
    """

    originator: str
    entity: str
    group: str
    name: str
    event: type[EventT]
    summary: str
    extra: tuple[str, ...] = ()

    def subject(self, subjects: Subjects, *extra: str) -> str:
        """Where it is published."""
        return subjects.event(self.originator, self.entity, self.group, self.name, *extra)


AnyOperation: TypeAlias = Operation[Any, Any]
AnyEventType: TypeAlias = EventType[Any]
