"""Points that an operator writes: stored as samples, told of, or refused."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from libs.contracts.data_events import DataPoint, DataSamplesEvent, TimeSeriesEvent
from libs.contracts.errors import (
    BadRequestError,
    ForbiddenError,
    GroveError,
    NotFoundError,
    PayloadTooLargeError,
    UnavailableError,
)
from libs.contracts.kp1 import MAX_PAYLOAD_BYTES
from libs.contracts.time_series import Point, ReadData, WriteData, iso
from services.data_collection.usecases.querying import read_data
from services.data_collection.usecases.writing import MAX_POINTS, WritingParts, write_data
from tests.support.rest import Json
from tests.support.time_series import Grove, KnownApplications, SettableClock
from tests.unit.data_collection.collecting_fakes import Recorder

NOON = 1_795_262_400_000  # 2026-11-21T12:00Z


@pytest.fixture
def grove() -> Grove:
    return Grove(SettableClock(NOON))


def written(grove: Grove, *, events: Recorder | None = None, point_events: bool = True) -> WritingParts:
    return WritingParts(
        samples=grove.samples,
        derived=grove.derivation(),
        events=events or Recorder(),
        configurations=grove.documents,
        applications=KnownApplications("olives", "figs", endpoints={"tree": "olives", "fig": "figs"}),
        clock=grove.clock,
        point_events=point_events,
    )


class Mute(Recorder):
    """Has no connection."""

    async def tell(
        self, samples: Iterator[DataSamplesEvent], points: Mapping[str, Iterator[TimeSeriesEvent]]
    ) -> None:
        del samples, points
        raise UnavailableError


def write(series: str, *values: Json, endpoint: str = "tree", **fields: Json) -> WriteData:
    points = [Point(iso(NOON + position), each) for position, each in enumerate(values)]
    return WriteData(app_version="olives-v1", body={endpoint: {series: points}}, **fields)


async def read(grove: Grove, series: str) -> list[tuple[int, dict[str, Any]]]:
    request = ReadData(
        application_name="olives",
        time_series_name=(series,),
        from_date=iso(NOON),
        to_date=iso(NOON + 1000),
    )
    page = await read_data(request, parts=grove.queries)
    return [point for run in page.runs for point in run.points]


async def test_written_points_are_read_back_and_writing_again_changes_nothing(grove: Grove) -> None:
    request = write("auto~t", {"value": 1}, {"value": 2.5})

    await write_data(request, parts=written(grove))
    await write_data(request, parts=written(grove))

    assert await read(grove, "auto~t") == [(NOON, {"value": 1}), (NOON + 1, {"value": 2.5})]


async def test_points_are_told_of_once_for_each_request_that_writes_them(grove: Grove) -> None:
    recorder = Recorder()
    request = write("auto~t", {"value": 1}, {"value": 2.5})
    request.body["tree"]["auto~t"].append(request.body["tree"]["auto~t"][0])

    await write_data(request, parts=written(grove, events=recorder))
    await write_data(request, parts=written(grove, events=recorder))

    assert recorder.sample_events == []
    assert [(each.endpoint_id, each.time_series_name, each.batch_id) for each in recorder.point_events] == [
        ("tree", "auto~t", "")
    ] * 2
    assert recorder.point_events[0].data_points == [
        DataPoint(NOON, {"value": 1}, NOON),
        DataPoint(NOON + 1, {"value": 2.5}, NOON),
    ]


async def test_points_are_not_told_of_where_that_is_turned_off(grove: Grove) -> None:
    recorder = Recorder()

    await write_data(write("auto~t", {"value": 1}), parts=written(grove, events=recorder, point_events=False))

    assert len(grove.samples.by_id) == 1
    assert recorder.point_events == []


async def test_points_that_nobody_could_be_told_of_are_stored_and_computed_from(grove: Grove) -> None:
    parts = replace(written(grove), events=Mute(), derived=(noted := Recorder()))

    with pytest.raises(UnavailableError):
        await write_data(write("auto~t", {"value": 1}), parts=parts)

    assert len(grove.samples.by_id) == 1
    assert [each.points for each in noted.noted] == [{"auto~t": {"value": 1}}]


async def test_a_point_larger_than_what_a_device_may_send_is_refused_and_nothing_is_stored(
    grove: Grove,
) -> None:
    names: Json = {"note": {"values": [{"path": "note", "type": "string"}]}}
    grove.documents.documents["epts", "olives", None] = {"time-series": {"names": names}}

    with pytest.raises(PayloadTooLargeError, match=r"^\$\.tree\.note\[1\]\.values: "):
        await write_data(
            write("note", {"value": "small"}, {"value": "x" * MAX_PAYLOAD_BYTES}), parts=written(grove)
        )

    assert not grove.samples.by_id


async def test_configured_series_can_be_written(grove: Grove) -> None:
    names: Json = {
        "place": {"values": [{"name": "lat", "path": "gps.lat"}, {"name": "lon", "path": "gps.lon"}]}
    }
    grove.documents.documents["epts", "olives", None] = {"time-series": {"names": names}}

    await write_data(write("place", {"lat": 37.9, "lon": 23.7}), parts=written(grove))

    assert await read(grove, "place") == [(NOON, {"lat": 37.9, "lon": 23.7})]


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        pytest.param(write("nope", {"value": 1}), BadRequestError, id="unknown series"),
        pytest.param(write("auto~t", {"other": 1}), BadRequestError, id="unknown value"),
        pytest.param(write("auto~t", {"value": "1"}), BadRequestError, id="text"),
        pytest.param(write("auto~a b", {"value": 1}), BadRequestError, id="odd name"),
        pytest.param(write("auto~timestamp", {"value": 1}), BadRequestError, id="the timestamp"),
        pytest.param(write("auto~t", {}), BadRequestError, id="no values"),
        pytest.param(write("auto~t", {"value": 2**70}), BadRequestError, id="poison"),
        pytest.param(write("auto~t", *[{"value": 1}] * (MAX_POINTS + 1)), BadRequestError, id="many"),
        pytest.param(write("auto~t", {"value": 1}, endpoint="fig"), NotFoundError, id="elsewhere"),
        pytest.param(write("auto~t", {"value": 1}, endpoint="ghost"), NotFoundError, id="nobody"),
        pytest.param(write("auto~t", {"value": 1}, applications=("figs",)), ForbiddenError, id="limited key"),
        pytest.param(WriteData(app_version="olives-v9", body={}), NotFoundError, id="no version"),
        pytest.param(WriteData(app_version="olives", body={}), NotFoundError, id="no version name"),
    ],
)
async def test_what_cannot_be_written_is_refused_and_nothing_is_stored(
    grove: Grove, request_: WriteData, kind: type[GroveError]
) -> None:
    with pytest.raises(kind):
        await write_data(request_, parts=written(grove))

    assert not grove.samples.by_id
