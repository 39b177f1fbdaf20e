from typing import Any

import pytest

from libs.contracts.app_configs import Placed
from libs.contracts.errors import BadRequestError
from services.data_collection.domain.configuration import (
    DEFAULT,
    check_configuration,
    configuration_of,
    path_of,
)
from services.data_collection.domain.durations import DAY_MS
from tests.support.rest import Json


def at(document: Any) -> Placed:  # noqa: ANN401 - any JSON
    return Placed(application="olives", version=None, document=document, path="at")


def test_nothing_configured_extracts_numbers_by_the_field_timestamp() -> None:
    assert configuration_of(None) == configuration_of({"time-series": {}}, {}) == DEFAULT
    assert DEFAULT.auto_extract
    assert (DEFAULT.timestamp.path, DEFAULT.timestamp.fails) == (("timestamp",), False)
    assert (DEFAULT.message_id, DEFAULT.retention_ms) == ((), None)


def test_retention_and_message_id_stand_in_the_configuration_of_dcx() -> None:
    found = configuration_of(None, {"message-id": {"path": "meta.id"}, "retention": "90d"})

    assert found.message_id == ("meta", "id")
    assert found.retention_ms == 90 * DAY_MS


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a", ("a",)),
        ("$", ()),
        ("", ()),
        ("$.a.b-c", ("a", "b-c")),
        ("a[0].b[12]", ("a", 0, "b", 12)),
        ("$[3]", (3,)),
        ("['a.b']['c d'].e", ("a.b", "c d", "e")),
    ],
)
def test_a_path_is_steps(text: str, path: tuple[str | int, ...]) -> None:
    assert path_of(text, "here") == path


@pytest.mark.parametrize(
    "text",
    [
        "a..b",
        "a.",
        ".",
        "a[",
        "a[-1]",
        "a[x]",
        "a]",
        "a[0]b",
        "['a'",
        "$$",
        "." * 99,
        "a." * 40 + "a",
        7,
        None,
    ],
)
def test_anything_else_is_no_path(text: object) -> None:
    with pytest.raises(BadRequestError, match=r"^here: "):
        path_of(text, "here")


VALUES = "time-series.names.s.values"


@pytest.mark.parametrize(
    ("document", "where"),
    [
        pytest.param({"time_series": {}}, "at: unknown field 'time_series'", id="typo"),
        pytest.param({"time-series": []}, "at.time-series: must be an object", id="array"),
        pytest.param({"time-series": {"auto": True}}, "at.time-series: unknown field", id="typo below"),
        pytest.param({"time-series": {"auto-extract": 1}}, "at.time-series.auto-extract: ", id="flag"),
        pytest.param(
            {"time-series": {"timestamp": {"format": "rfc"}}},
            "at.time-series.timestamp.format: must be one of iso8601",
            id="format",
        ),
        pytest.param(
            {"time-series": {"timestamp": {"fallback-strategy": "x"}}},
            "timestamp.fallback-strategy: ",
            id="fallback",
        ),
        pytest.param(
            {"time-series": {"timestamp": {"path": "a..b"}}}, "timestamp.path: is not a JSON path", id="path"
        ),
        pytest.param(
            {"time-series": {"names": {"a b": {}}}}, "names: series 'a b' must be", id="series name"
        ),
        pytest.param({"time-series": {"names": {"auto~x": {}}}}, "names: series 'auto~x'", id="auto series"),
        pytest.param({"time-series": {"names": {"s": {}}}}, f"at.{VALUES}: is missing", id="no values"),
        pytest.param(
            {"time-series": {"names": {"s": {"values": []}}}}, f"{VALUES}: must be an array", id="empty"
        ),
        pytest.param(
            {"time-series": {"names": {"s": {"values": [{}]}}}}, f"{VALUES}[0].path: ", id="no path"
        ),
        pytest.param(
            {"time-series": {"names": {"s": {"values": [{"path": "a", "name": "time"}]}}}},
            f"{VALUES}[0].name: ",
            id="reserved",
        ),
        pytest.param(
            {"time-series": {"names": {"s": {"values": [{"path": "a", "name": "a=b"}]}}}},
            f"{VALUES}[0].name: ",
            id="bad name",
        ),
        pytest.param(
            {"time-series": {"names": {"s": {"values": [{"path": "a"}, {"path": "b"}]}}}},
            f"{VALUES}[1].name: 'value' is there twice",
            id="twice",
        ),
        pytest.param(
            {"time-series": {"names": {"s": {"values": [{"path": "a", "type": "int"}]}}}},
            f"{VALUES}[0].type: ",
            id="type",
        ),
    ],
)
def test_a_wrong_configuration_is_refused_with_its_path(document: Json, where: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        check_configuration(at(document), instance="epts")

    assert where in caught.value.reason_phrase


@pytest.mark.parametrize(
    ("document", "where"),
    [
        ({"time-series": {}}, "at: unknown field"),
        ({"retention": "1h"}, "at.retention: must be at least"),
        ({"retention": 5}, "at.retention: "),
        ({"message-id": "seq"}, "at.message-id: must be an object"),
        ({"message-id": {"path": 1}}, "at.message-id.path: "),
    ],
)
def test_a_wrong_configuration_of_dcx_is_refused_with_its_path(document: Json, where: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        check_configuration(at(document), instance="dcx")

    assert where in caught.value.reason_phrase


def test_configurations_that_extract_alike_have_one_fingerprint() -> None:
    series: Json = {"names": {"s": {"values": [{"path": "a"}]}}}

    same = configuration_of({"time-series": {}}, {"retention": "9d"})

    assert same.fingerprint == DEFAULT.fingerprint
    assert configuration_of({"time-series": series}).fingerprint != DEFAULT.fingerprint
