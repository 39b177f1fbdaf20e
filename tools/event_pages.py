"""Write the generated parts of docs/bus.md: what is kept where, and what every event looks like.

Pure text in, text out, as :mod:`tools.tables`. What a message holds is told by :mod:`tools.message_fields`,
an example is made up by :mod:`tools.message_examples`.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from libs.contracts.data_events import RejectedMessage
from libs.contracts.ingest import rejected_subject
from libs.contracts.streams import StreamSpec
from libs.contracts.subjects import AnyEventType, Subjects
from tools.check_links import slug
from tools.message_examples import example
from tools.message_fields import describe_fields, structs_within
from tools.tables import event_subject, table

CORE_ONLY: Final = "core NATS only"

_SUBJECTS: Final = Subjects()
_DAY_S: Final = 24 * 3600
_GIB: Final = 1024**3


def streams_table(streams: Sequence[StreamSpec]) -> str:
    """Describe streams: what each holds, how long, and who creates it."""
    return table(("stream", "subjects", "keeps", "created by", "what"), map(_stream_row, streams))


def events_table(events: Sequence[AnyEventType], streams: Sequence[StreamSpec]) -> str:
    """List events, each with a link to its section."""
    rows = (
        (f"[{_title(event)}](#{slug(_title(event))})", kept_in(_subject(event), streams), event.summary)
        for event in events
    )
    return table(("event", "kept in", "what"), rows)


def event_sections(events: Iterable[AnyEventType], streams: Sequence[StreamSpec]) -> str:
    """Describe each event under a heading of its own.

    Raises:
        ValueError: A message does not say what one of its fields means.
    """
    return "\n\n".join(_event_section(event, streams) for event in events)


def rejected_section(streams: Sequence[StreamSpec]) -> str:
    """Describe what the stream of refused messages holds, without a heading."""
    subject = rejected_subject(_SUBJECTS)
    return "\n\n".join(_description(RejectedMessage, subject, streams, originator="data-collection"))


def kept_in(subject: str, streams: Iterable[StreamSpec]) -> str:
    """Name the stream that captures a subject, or say that none does."""
    for stream in streams:
        if any(captures(pattern, subject) for pattern in stream.subjects):
            return f"`{stream.name}`"
    return CORE_ONLY


def captures(pattern: str, subject: str) -> bool:
    """Whether a subject falls under a NATS pattern: ``*`` is one token, a last ``>`` one or more."""
    wanted, tokens = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        wanted.pop()
        if len(tokens) <= len(wanted):
            return False
        tokens = tokens[: len(wanted)]
    return len(wanted) == len(tokens) and all(
        one in {"*", token} for one, token in zip(wanted, tokens, strict=True)
    )


def _stream_row(stream: StreamSpec) -> tuple[str, ...]:
    subjects = "<br>".join(f"`{pattern}`" for pattern in stream.subjects)
    age = f"{stream.max_age_s / _DAY_S:g} d" if stream.max_age_s else "any age"
    if stream.retention == "workqueue":
        age = f"until it is taken, {age} at most" if stream.max_age_s else "until it is taken"
    full = "new ones are refused" if stream.discard == "new" else "the oldest go"
    keeps = f"{age}, {stream.max_bytes / _GIB:g} GiB; when full, {full}"
    return f"`{stream.name}`", subjects, keeps, stream.owner, stream.description


def _title(event: AnyEventType) -> str:
    return f"`{event.entity}.{event.group}.{event.name}` of {event.originator}"


def _subject(event: AnyEventType) -> str:
    return event_subject(event, _SUBJECTS)


def _event_section(event: AnyEventType, streams: Sequence[StreamSpec]) -> str:
    described = _description(event.event, _subject(event), streams, originator=event.originator)
    return "\n\n".join((f"### {_title(event)}", event.summary, *described))


def _description(
    message: type[Struct], subject: str, streams: Sequence[StreamSpec], *, originator: str
) -> Iterator[str]:
    """Yield the parts of a description: where it is found, fields, fields of what is inside, example."""
    facts = {
        "Subject": f"`{subject}`",
        "Said by": originator,
        "Kept in": kept_in(subject, streams),
        "Message": f"`{message.__name__}` of `{message.__module__}`",
    }
    yield "\n".join(f"- {name}: {fact}" for name, fact in facts.items())
    yield _fields(message)
    for inner in structs_within(message):
        yield f"A `{inner.__name__}`:"
        yield _fields(inner)
    yield f"```json\n{example(message, originator=originator)}\n```"


def _fields(message: type[Struct]) -> str:
    rows = ((f"`{field.name}`", field.type, field.meaning) for field in describe_fields(message))
    return table(("field", "type", "meaning"), rows)
