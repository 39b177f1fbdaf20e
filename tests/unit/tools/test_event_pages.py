"""docs/bus.md: every event of libs/contracts is on it, with an example that can be read back."""

import re
from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

from libs.contracts.catalogue import declared_events
from libs.contracts.data_events import RejectedMessage
from libs.contracts.messages import Event
from libs.contracts.streams import all_streams
from libs.contracts.subjects import AnyEventType, EventType, Subjects
from tools.event_pages import CORE_ONLY, captures, event_sections, events_table, kept_in, streams_table
from tools.tables import event_subject

_PAGE = (Path(__file__).parents[3] / "docs" / "bus.md").read_text()
_STREAMS = all_streams(Subjects())


class Branch(Struct, rename="camel", frozen=True):
    """Where it hangs.

    Attributes:
        height_m: Above the ground.
    """

    height_m: float


class PearsRipenedEvent(Event, frozen=True, kw_only=True):
    """Pears may be picked.

    Attributes:
        endpoint_id: Which tree.
        branches: Where they
            hang; None = all over, see :data:`tools.pears.BRANCHES`.
        sort_name: Of pear.
    """

    endpoint_id: str
    branches: tuple[Branch, ...] | None = None
    sort_name: str


class HastyEvent(Event, frozen=True, kw_only=True):
    """Nobody took the time.

    Attributes:
        endpoint_id: Which tree.
    """

    endpoint_id: str
    branch_id: str


RIPENED = EventType(
    "pear", "tree", "fruit", "ripened", PearsRipenedEvent, "Pears may be picked.", extra=("sortName",)
)


def section(event: AnyEventType) -> str:
    """Return what the page says between the heading of an event and the next heading."""
    heading = f"### `{event.entity}.{event.group}.{event.name}` of {event.originator}\n"
    assert _PAGE.count(heading) == 1
    return _PAGE.partition(heading)[2].partition("\n#")[0]


def examples(text: str) -> list[str]:
    found: list[str] = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    return found


@pytest.mark.parametrize("event", declared_events(), ids=lambda event: event_subject(event, Subjects()))
def test_every_event_is_on_the_page_with_an_example_that_can_be_read_back(event: AnyEventType) -> None:
    text = section(event)
    (example,) = examples(text)

    told = msgspec.json.decode(example, type=event.event)

    assert event.summary in text
    assert f"`{event_subject(event, Subjects())}`" in text
    assert msgspec.json.decode(example) == msgspec.json.decode(msgspec.json.encode(told))
    assert told.originator_replica_id.startswith(f"{event.originator}-")
    for field in msgspec.structs.fields(event.event):
        assert f"| `{field.encode_name}` |" in text
    assert set(event.extra) <= set(event.event.__struct_encode_fields__)


def test_refused_messages_are_on_the_page_with_an_example_that_can_be_read_back() -> None:
    text = _PAGE.partition("## Refused messages\n")[2]
    (example,) = examples(text)

    told = msgspec.json.decode(example, type=RejectedMessage)

    assert "`grove.v1.rejected.dcx`" in text
    assert "Kept in: `REJECTED`" in text
    assert told.payload_bytes == len(told.payload)


def test_events_of_modules_nobody_imports_here_are_found() -> None:
    names = {(event.originator, event.entity, event.group, event.name) for event in declared_events()}

    assert ("credential-manager", "api-key", "status", "revoked") in names
    assert ("endpoint-register", "endpoint", "connectivity", "disconnected") in names
    assert ("mqtt-transport", "endpoint", "connectivity", "disconnected") in names
    assert len(names) == len(declared_events())


def test_an_event_is_described_with_all_that_is_inside() -> None:
    assert (
        event_sections([RIPENED], _STREAMS)
        == f"""\
### `tree.fruit.ripened` of pear

Pears may be picked.

- Subject: `grove.v1.events.pear.tree.fruit.ripened.<sortName>`
- Said by: pear
- Kept in: core NATS only
- Message: `PearsRipenedEvent` of `{__name__}`

| field | type | meaning |
| --- | --- | --- |
| `correlationId` | string | Names one request in the log of every service it touches. |
| `timestamp` | integer | When it was sent, milliseconds since the Unix epoch. |
| `timeout` | integer | Milliseconds after `timestamp` at which it is worthless; 0 = never. |
| `originatorReplicaId` | string | Which process says so. |
| `endpointId` | string | Which tree. |
| `branches` | array of `Branch` or null | Where they hang; null = all over, see `BRANCHES`. |
| `sortName` | string | Of pear. |

A `Branch`:

| field | type | meaning |
| --- | --- | --- |
| `heightM` | number | Above the ground. |

```json
{{
  "correlationId": "5b7c1e90d2a4f683",
  "timestamp": 1795231898123,
  "timeout": 0,
  "originatorReplicaId": "pear-c41d09ab72e6f358",
  "endpointId": "tree-17",
  "branches": [
    {{
      "heightM": 1.5
    }}
  ],
  "sortName": "text"
}}
```"""
    )


def test_a_field_without_a_meaning_is_an_error_that_names_it() -> None:
    event = EventType("pear", "tree", "fruit", "hasty", HastyEvent, "Too soon.")

    with pytest.raises(ValueError, match=r"HastyEvent says nothing of branch_id"):
        event_sections([event], _STREAMS)


def test_the_list_of_events_leads_to_their_sections() -> None:
    link = "[`tree.fruit.ripened` of pear](#treefruitripened-of-pear)"

    (row,) = events_table([RIPENED], _STREAMS).splitlines()[2:]

    assert row == f"| {link} | core NATS only | Pears may be picked. |"


def test_streams_show_what_they_keep_and_what_gives_way() -> None:
    rows = {row.split("`")[1]: row for row in streams_table(_STREAMS).splitlines()[2:]}

    assert set(rows) == {"EVENTS", "INGEST", "REJECTED", "AUDIT"}
    assert "`grove.v1.events.*.endpoint.token.>`<br>" in rows["EVENTS"]
    assert "| 1 d, 1 GiB; when full, the oldest go | endpoint-register |" in rows["EVENTS"]
    assert "| until it is taken, 4 GiB; when full, new ones are refused |" in rows["INGEST"]


@pytest.mark.parametrize(
    ("pattern", "subject", "captured"),
    [
        pytest.param("a.b", "a.b", True, id="the same"),
        pytest.param("a.*.c", "a.b.c", True, id="one token"),
        pytest.param("a.>", "a.b.c", True, id="all that follow"),
        pytest.param("a.*", "a.b.c", False, id="one token is not two"),
        pytest.param("a.b.>", "a.b", False, id="at least one follows"),
        pytest.param("a.*.c", "a.b.d", False, id="another token"),
        pytest.param("a.b.c", "a.b", False, id="a shorter subject"),
    ],
)
def test_a_pattern_captures_as_nats_does(pattern: str, subject: str, *, captured: bool) -> None:
    assert captures(pattern, subject) is captured


def test_data_events_are_kept_nowhere_and_control_events_in_events() -> None:
    kept = {event.name: kept_in(event_subject(event, Subjects()), _STREAMS) for event in declared_events()}

    assert kept["data-points-received"] == kept["data-samples-received"] == CORE_ONLY
    assert kept["registered"] == kept["revoked"] == kept["connected"] == "`EVENTS`"
