"""The judgement of bulk inserts, batches taken apart, and the order of what is done with them."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest

from libs.bus import MAX_MESSAGE_BYTES
from libs.bus.codec import encode
from libs.contracts.errors import UnavailableError
from libs.contracts.ingest import IngestBatch, IngestMessage, batch_id, sample_id
from services.data_collection.bus_api.ingest import NewerFormatError, UnreadableError, read_batch
from services.data_collection.domain.batches import take_apart
from services.data_collection.domain.configuration import DEFAULT, configuration_of
from services.data_collection.domain.samples import Sample
from services.data_collection.domain.storing import SLICE, Inserted, SliceSize, judge, slices
from services.data_collection.usecases.collecting import Collecting, collect
from tests.unit.data_collection.collecting_fakes import Defaults, InMemorySampleRepository, Recorder

NOW_MS = 1_790_000_000_000
RUN = 7


def message(payload: bytes = b'{"t":1}', **fields: Any) -> IngestMessage:  # noqa: ANN401 - fields of any type
    values: dict[str, Any] = {
        "endpoint_id": "tree",
        "app_version": "grove-v1",
        "resource": "/json",
        "payload": payload,
        "received_ms": NOW_MS,
    }
    return IngestMessage(**{**values, **fields})


def batch(*messages: IngestMessage, counter: int = 1) -> IngestBatch:
    return IngestBatch(1, RUN, counter, list(messages))


def collecting(samples: InMemorySampleRepository, recorder: Recorder) -> Collecting:
    return Collecting(
        samples=samples,
        configurations=Defaults(),
        events=recorder,
        replies=recorder,
        rejections=recorder,
        derived=recorder,
    )


class SlowSampleRepository(InMemorySampleRepository):
    """Has no answer in time for inserts of more than so many."""

    def __init__(self, *, at_most: int) -> None:
        super().__init__()
        self._at_most = at_most

    async def insert(self, samples: Sequence[Sample]) -> Inserted:
        if len(samples) > self._at_most:
            raise UnavailableError("no answer in time")
        await asyncio.sleep(0.26)
        return await super().insert(samples)


def write_error(index: int, code: int, key: str | None = "_id") -> dict[str, Any]:
    error: dict[str, Any] = {"index": index, "code": code, "errmsg": "E"}
    return error if key is None else {**error, "keyPattern": {key: 1}}


@pytest.mark.parametrize(
    ("details", "outcome"),
    [
        pytest.param({"writeErrors": [write_error(0, 11000)]}, Inserted(again=1), id="id is there"),
        pytest.param(
            {"writeErrors": [write_error(3, 11000, "m")]}, Inserted(known=(3,)), id="message id is known"
        ),
        pytest.param(
            {"writeErrors": [write_error(0, 11000), write_error(1, 11000, "m")]},
            Inserted(again=1, known=(1,)),
            id="both",
        ),
        pytest.param(
            {"writeErrors": [write_error(0, 11000), write_error(1, 112)]}, None, id="conflict besides"
        ),
        pytest.param({"writeErrors": [], "writeConcernErrors": [{"code": 64}]}, None, id="concern only"),
        pytest.param(
            {"writeErrors": [write_error(0, 11000)], "writeConcernErrors": [{"code": 64}]},
            None,
            id="concern too",
        ),
        pytest.param({"writeErrors": [write_error(0, 10107, None)]}, None, id="not primary"),
        pytest.param({"writeErrors": []}, None, id="nothing said"),
        pytest.param({}, None, id="nothing at all"),
        pytest.param({"writeErrors": [{"code": 11000}]}, None, id="no position"),
        pytest.param({"writeErrors": [write_error(0, 8000, None)]}, None, id="unknown code"),
        pytest.param(
            {
                "writeErrors": [
                    {"index": 0, "code": 11000, "errmsg": "E11000 collection: a.b index: _id_ dup key"}
                ]
            },
            Inserted(again=1),
            id="id, in words",
        ),
        pytest.param(
            {"writeErrors": [{"index": 2, "code": 11000, "errmsg": "E11000 index: message dup key"}]},
            Inserted(known=(2,)),
            id="message id, in words",
        ),
    ],
)
def test_a_bulk_insert_is_a_success_only_if_all_of_it_is_known_to_be_stored(
    details: dict[str, Any], outcome: Inserted | None
) -> None:
    assert judge(details) == outcome


def test_content_that_the_store_refuses_is_about_that_document_alone() -> None:
    outcome = judge({"writeErrors": [write_error(1, 11000), write_error(5, 2, None)]})

    assert outcome is not None
    assert (outcome.again, list(outcome.refused)) == (1, [5])


def test_positions_count_through_the_batch_whatever_is_refused() -> None:
    strict = configuration_of({"time-series": {"timestamp": {"path": "at", "fallback-strategy": "fail"}}})
    made = batch(message(b'[{"at":1},{"at":2}]'), message(b'[{"at":3},{"b":1}]'), message(b'{"at":4}'))

    apart = take_apart(made, {"grove-v1": strict})

    assert [each.sample.id for each in apart.taken] == [sample_id(RUN, 1, n) for n in (0, 1, 4)]
    assert list(apart.refused) == [1]


def test_taking_a_batch_apart_twice_gives_the_same_samples() -> None:
    made = batch(
        message(b' {"t": 1} '), message(b'[1,[2],"x",null]'), message(b"47%", resource="/plain/level")
    )

    first, second = (take_apart(made, {"grove-v1": DEFAULT}).taken for _ in range(2))

    assert first == second
    assert [each.sample.value for each in first] == [
        {"t": 1},
        1,
        [2],
        "x",
        None,
        {"level-value": 47, "level-unit": "%"},
    ]


def test_a_resolved_senml_pack_gives_one_sample_for_each_record() -> None:
    pack = b'[{"n":"temp.outside","t":1790000000.5,"v":3.5,"u":"Cel"},{"n":"state","t":1790000001,"vs":"on"}]'

    taken = take_apart(batch(message(pack, resource="/senml")), {"grove-v1": DEFAULT}).taken

    assert [(each.sample.time_ms, each.points) for each in taken] == [
        (1_790_000_000_500, {"auto~temp_outside": {"value": 3.5}}),
        (1_790_000_001_000, {}),
    ]


async def test_samples_are_stored_before_anything_is_said_of_them() -> None:
    samples, recorder = InMemorySampleRepository(), Recorder()
    samples.failures = [UnavailableError("away")]

    with pytest.raises(UnavailableError):
        await collect([batch(message(wants_reply=True))], parts=collecting(samples, recorder))
    said_before = list(recorder.said)
    await collect([batch(message(wants_reply=True))], parts=collecting(samples, recorder))

    assert said_before == []
    assert (len(samples.samples), recorder.said) == (1, ["events", "replies", "note"])


async def test_a_message_the_store_refuses_is_isolated_from_the_others() -> None:
    samples, recorder = InMemorySampleRepository(), Recorder()
    samples.refused_texts = {b'{"t":2}'}
    messages = [message(b'{"t":%d}' % number, wants_reply=True) for number in range(4)]

    await collect([batch(*messages)], parts=collecting(samples, recorder))

    assert len(samples.samples) == 3
    assert [each.payload for each in recorder.rejected.values()] == [b'{"t":2}']
    assert recorder.replies[0].stored == [0, 1, 3]
    assert [each[:2] for each in recorder.replies[0].refused] == [(2, 400)]
    assert len(recorder.noted) == 3


async def test_a_store_too_slow_for_many_samples_at_a_time_is_given_fewer() -> None:
    samples = SlowSampleRepository(at_most=60)
    made = [batch(message(b"[%s]" % b",".join([b"1"] * 200)))]
    parts = collecting(samples, Recorder())
    tries = 0
    while len(samples.samples) < 200 and tries < 9:
        tries += 1
        with suppress(UnavailableError):
            await collect(made, parts=parts)

    assert len(samples.samples) == 200
    assert tries < 6


def test_inserts_become_larger_again_when_they_are_quick() -> None:
    size = SliceSize()
    for _ in range(20):
        size.failed()
    smallest = size.now
    size.took(0.5)
    steady = size.now
    for _ in range(20):
        size.took(0.01)
    largest = size.now
    size.took(2.0)

    assert 0 < smallest == steady < 50
    assert (largest, size.now) == (SLICE, SLICE // 2)
    assert [each.indices(1200) for each in slices(1200, size)] == [
        (0, 500, 1),
        (500, 1000, 1),
        (1000, 1200, 1),
    ]


async def test_events_fit_into_a_message_and_hold_every_sample_once() -> None:
    recorder = Recorder()
    large = b'{"t":1,"x":"' + b"x" * 200_000 + b'"}'
    made = batch(*(message(large) for _ in range(3)), *(message(b'{"t":2}') for _ in range(253)))

    await collect([made], parts=collecting(InMemorySampleRepository(), recorder))

    assert sum(len(event.data_samples) for event in recorder.sample_events) == 256
    assert sum(len(event.data_points) for event in recorder.point_events) == 256
    assert all(len(encode(event)) < MAX_MESSAGE_BYTES for event in recorder.sample_events)
    assert {event.batch_id for event in recorder.sample_events} == {batch_id(RUN, 1)}
    positions = [event.position for event in recorder.sample_events]
    assert positions == sorted(set(positions))


@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param(b"", UnreadableError, id="empty"),
        pytest.param(b"\xc1", UnreadableError, id="no MessagePack"),
        pytest.param(b"\x91\x01", UnreadableError, id="too short"),
        pytest.param(b"\x92\x02\xa3abc", NewerFormatError, id="newer, of another shape"),
        pytest.param(b"\x94\x01\xff\x01\x90", UnreadableError, id="negative run id"),
    ],
)
def test_what_is_no_batch_is_told_from_what_a_newer_release_made(body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        read_batch(body)
