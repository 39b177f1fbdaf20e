"""Batches: what names them and their samples."""

import msgspec

from libs.contracts.ingest import (
    FORMAT,
    IngestBatch,
    IngestMessage,
    batch_id,
    ingest_subject,
    rejected_subject,
    replies_subject,
    sample_id,
)
from libs.contracts.subjects import Subjects


def test_samples_sort_by_run_then_batch_then_position() -> None:
    ids = [
        sample_id(run, counter, position)
        for run in (1, 2**63)
        for counter in (1, 2**39)
        for position in (0, 1)
    ]

    assert ids == sorted(ids)
    assert {len(each) for each in ids} == {16}


def test_a_batch_is_named_by_its_run_and_counter() -> None:
    assert batch_id(255, 16) == "00000000000000ff-10"


def test_each_subject_has_its_place() -> None:
    subjects = Subjects()

    assert ingest_subject(subjects) == "grove.v1.ingest.dcx"
    assert rejected_subject(subjects) == "grove.v1.rejected.dcx"
    assert replies_subject(subjects, 255) == "grove.v1.replica.00000000000000ff.dcx.replies"


def test_a_batch_is_an_array_that_may_grow_at_its_end() -> None:
    batch = IngestBatch(FORMAT, 1, 2, [IngestMessage("ep", "grove-v1", "/json", b"1", 3)])

    packed = msgspec.msgpack.encode(batch)
    plain = msgspec.msgpack.decode(packed)

    assert plain == [1, 1, 2, [["ep", "grove-v1", "/json", b"1", 3, False]]]
    assert msgspec.msgpack.decode(msgspec.msgpack.encode([*plain, "new"]), type=IngestBatch) == batch
