import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.errors import BadRequestError
from services.data_collection.domain.configuration import DEFAULT, LATEST_MS, configuration_of
from services.data_collection.domain.extraction import extract
from tests.support.rest import Json

RECEIVED = 1_790_000_000_000
SENT = 1_780_000_000_123


def time_of(sample: Json, **timestamp: str) -> int:
    config = configuration_of({"time-series": {"timestamp": dict(timestamp)}}) if timestamp else DEFAULT
    return extract(sample, config=config, received_ms=RECEIVED).time_ms


def values_of(sample: Json, **block: Json) -> Json:
    return extract(sample, config=configuration_of({"time-series": block}), received_ms=RECEIVED).values


def test_the_field_timestamp_in_milliseconds_is_the_time_unless_configured_otherwise() -> None:
    assert time_of({"timestamp": SENT}) == SENT
    assert time_of({"timestamp": float(SENT)}) == SENT


@pytest.mark.parametrize(
    "sample",
    [
        pytest.param({}, id="missing"),
        pytest.param({"timestamp": 12_345}, id="uptime"),
        pytest.param({"timestamp": SENT // 1000}, id="seconds"),
        pytest.param({"timestamp": -SENT}, id="negative"),
        pytest.param({"timestamp": 300_000 * 365 * 86_400_000}, id="year 300000"),
        pytest.param({"timestamp": 2**63 - 1}, id="int64"),
        pytest.param({"timestamp": 1e308}, id="huge float"),
        pytest.param({"timestamp": True}, id="boolean"),
        pytest.param({"timestamp": str(SENT)}, id="text"),
        pytest.param({"timestamp": None}, id="null"),
        pytest.param({"timestamp": {"timestamp": SENT}}, id="object"),
        pytest.param([SENT], id="array"),
        pytest.param(SENT, id="bare number"),
        pytest.param(None, id="bare null"),
    ],
)
def test_an_implausible_time_is_the_time_of_receipt(sample: Json) -> None:
    assert time_of(sample) == RECEIVED


@pytest.mark.parametrize(
    ("form", "given_time", "ms"),
    [
        pytest.param("millis-unix-epoch", 0, 0, id="the epoch"),
        pytest.param("millis-unix-epoch", LATEST_MS, LATEST_MS, id="end of 9999"),
        pytest.param("unix-epoch", 1_780_000_000, 1_780_000_000_000, id="seconds"),
        pytest.param("unix-epoch", 1_780_000_000.25, 1_780_000_000_250, id="fractions of a second"),
        pytest.param("iso8601", "2026-11-21T03:31:38.123Z", 1_795_231_898_123, id="iso, UTC"),
        pytest.param("iso8601", "2026-11-21T05:31:38.123+02:00", 1_795_231_898_123, id="iso, offset"),
        pytest.param("iso8601", "2026-11-21T03:31:38", 1_795_231_898_000, id="iso without offset is UTC"),
        pytest.param("iso8601", "9999-12-31T23:59:59.999Z", LATEST_MS, id="iso, the last"),
    ],
)
def test_a_configured_time_is_read_in_its_format(form: str, given_time: Json, ms: int) -> None:
    assert time_of({"at": given_time}, path="at", format=form, **{"fallback-strategy": "fail"}) == ms


@pytest.mark.parametrize("form", ["millis-unix-epoch", "unix-epoch", "iso8601"])
@pytest.mark.parametrize(
    "given_time",
    [
        -1,
        LATEST_MS + 1,
        1e300,
        True,
        None,
        "",
        "now",
        "300000-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        [],
        {},
    ],
    ids=repr,
)
def test_an_unusable_time_is_refused_where_the_configuration_says_so(form: str, given_time: Json) -> None:
    with pytest.raises(BadRequestError, match=rf"no usable {form} timestamp at \$\.meta\.at"):
        time_of({"meta": {"at": given_time}}, path="$.meta.at", format=form, **{"fallback-strategy": "fail"})


def test_an_empty_path_takes_the_time_of_receipt_always() -> None:
    assert time_of({"timestamp": SENT}, path="") == RECEIVED


def test_top_level_numbers_become_series() -> None:
    sample = {
        "t": 21.5,
        "count": 3,
        "air-temp_2": -1,
        "on": True,
        "name": "x",
        "none": None,
        "deep": {"n": 1},
    }

    assert extract(sample, config=DEFAULT, received_ms=RECEIVED).values == {
        "auto~t": {"value": 21.5},
        "auto~count": {"value": 3},
        "auto~air-temp_2": {"value": -1},
    }


@pytest.mark.parametrize("name", ["", "a b", "a.b", "größe", "a" * 257, "$a", "a\n"])
def test_a_number_under_an_odd_name_is_no_series(name: str) -> None:
    assert values_of({name: 1}) == {}


def test_the_timestamp_is_no_series_wherever_it_is_configured() -> None:
    assert values_of({"timestamp": 5, "n": 1}) == {"auto~n": {"value": 1}}
    assert values_of({"at": 5, "timestamp": 6}, timestamp={"path": "at"}) == {"auto~timestamp": {"value": 6}}


def test_configured_series_take_values_by_path_and_type() -> None:
    names = {
        "location": {
            "values": [
                {"name": "lat", "path": "$.gps[0]", "type": "number"},
                {"name": "lon", "path": "gps[1]"},
                {"name": "fix", "path": "fix", "type": "boolean"},
                {"name": "label", "path": "['odd name']", "type": "string"},
            ]
        }
    }
    sample = {"gps": [37.9, 23.7], "fix": True, "odd name": "Athens"}

    assert values_of(sample, names=names, **{"auto-extract": False}) == {
        "location": {"lat": 37.9, "lon": 23.7, "fix": True, "label": "Athens"}
    }


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        pytest.param({"a": None}, {"s": {"value": None}}, id="an explicit null is a value"),
        pytest.param({}, {}, id="missing"),
        pytest.param({"a": "1"}, {}, id="text for a number"),
        pytest.param({"a": True}, {}, id="boolean for a number"),
        pytest.param([1], {}, id="no object"),
        pytest.param(None, {}, id="null"),
    ],
)
def test_what_is_missing_or_of_another_type_is_no_value(sample: Json, expected: Json) -> None:
    names = {"s": {"values": [{"path": "a"}]}}

    assert values_of(sample, names=names, **{"auto-extract": False}) == expected


def test_a_message_has_the_id_at_the_configured_path() -> None:
    config = configuration_of(None, {"message-id": {"path": "seq"}})

    values: list[Json] = [7, "7", None, "", {}]

    ids = [extract({"seq": each}, config=config, received_ms=1).message_id for each in values]

    assert ids == ["n7", "t7", None, None, None]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=9) | st.just("timestamp"), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(json_values)
def test_every_sample_has_a_time_a_date_can_spell_and_finite_values(sample: Json) -> None:
    found = extract(sample, config=DEFAULT, received_ms=RECEIVED)

    assert 0 <= found.time_ms <= LATEST_MS
    for point in found.values.values():
        assert all(isinstance(value, int | float) and math.isfinite(value) for value in point.values())
