"""SenML: every vector of the reference, and what no vector has."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.errors import BadRequestError, GroveError, PayloadTooLargeError
from libs.contracts.senml import (
    MAX_PACK_BYTES,
    DvnUuid,
    Record,
    base_name,
    check_dvn_uuid,
    decode_pack,
    device_of,
    encode_downlink,
    resolve,
    resolve_uplink,
    series_name,
)
from libs.contracts.senml.packs import as_pack

NOW = 1_700_000_000
DEVICE = DvnUuid("3f0e1c52-7c3f-4a0e-9d3b-2b0c1a4f5e66")
OTHER = "00000000-7c3f-4a0e-9d3b-2b0c1a4f5e66"
BN = base_name(DEVICE)
VECTORS = json.loads((Path(__file__).parent / "vectors" / "senml.json").read_bytes())["senml"]


def vectors(outcome: str) -> list[Any]:
    return [pytest.param(each, id=each["id"]) for each in VECTORS if outcome in each]


def encoded(pack: object) -> bytes:
    return json.dumps(pack).encode()


def uplink(*records: dict[str, Any]) -> list[dict[str, Any]]:
    """Records of our device, as a sender would resolve them."""
    pack = decode_pack(encoded(records))
    return [msgspec.to_builtins(record) for record in resolve_uplink(pack, dvn_uuid=DEVICE, now=NOW)]


def test_every_vector_is_tried() -> None:
    assert len(vectors("resolved")) + len(vectors("error")) == len(VECTORS) == 46


@pytest.mark.parametrize("vector", vectors("resolved"))
def test_a_pack_resolves_as_the_reference_says(vector: dict[str, Any]) -> None:
    records = resolve(decode_pack(encoded(vector["pack"])), now=vector["now"])

    found = [msgspec.to_builtins(record) for record in records]
    version = vector["pack"][0].get("bver", 10)
    assert {record.pop("bver", 10) for record in found} == {version}
    assert [record.pop("t") for record in found] == pytest.approx(
        [record["t"] for record in vector["resolved"]], abs=1e-6
    )
    assert found == [{k: v for k, v in record.items() if k != "t"} for record in vector["resolved"]]


@pytest.mark.parametrize("vector", vectors("error"))
def test_a_pack_is_refused_where_the_reference_says(vector: dict[str, Any]) -> None:
    with pytest.raises(BadRequestError) as refused:
        resolve(decode_pack(encoded(vector["pack"])), now=vector["now"])

    assert "record" in refused.value.reason_phrase


@pytest.mark.parametrize("vector", vectors("resolved"))
def test_a_resolved_pack_resolves_to_itself(vector: dict[str, Any]) -> None:
    records = resolve(decode_pack(encoded(vector["pack"])), now=vector["now"])

    assert resolve(again(records), now=0) == records


def again(records: tuple[Record, ...]) -> Any:  # noqa: ANN401 - a pack, straight from JSON
    return decode_pack(msgspec.json.encode(records))


# --- what no vector has -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param(b"", "not JSON", id="empty"),
        pytest.param(b"\xff[]", "not UTF-8", id="invalid UTF-8"),
        pytest.param(b'[{"n":"a","n":"b","v":1}]', "duplicate key 'n'", id="duplicate label"),
        pytest.param(b'[{"n":"a","v":NaN}]', "NaN", id="NaN"),
        pytest.param(b'[{"n":"a","v":-Infinity}]', "Infinity", id="infinity"),
        pytest.param(b'[{"n":"a","v":1e400}]', r"\$\[0\]\.v: number is not finite", id="1e400"),
        pytest.param(b'[{"n":"a","v":' + b"9" * 400 + b"}]", "not finite", id="400 digits"),
        pytest.param(b'[{"n":"a","vs":"\\ud800"}]', "lone surrogate", id="lone surrogate"),
        pytest.param(b'[{"n":"a","v":1,"x":[[[0]]]}]', "deeper than 4", id="five levels"),
        pytest.param(b"[" * 60_000, "deeper than 4", id="60,000 levels"),
        pytest.param(b"[1]", "record 1: must be an object", id="a number as record"),
        pytest.param(b'[{"n":"a","v":1},null]', "record 2: must be an object", id="null as record"),
        pytest.param(b"[" + b"{}," * 512 + b"{}]", "513 records is above the limit of 512", id="513 records"),
    ],
)
def test_what_is_no_pack_is_refused_saying_why(body: bytes, told: str) -> None:
    with pytest.raises(BadRequestError, match=told):
        decode_pack(body)


def test_a_pack_above_64_kib_is_too_large_whatever_it_holds() -> None:
    with pytest.raises(PayloadTooLargeError, match="limit of 65536 bytes"):
        decode_pack(b"x" * (MAX_PACK_BYTES + 1))


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({"n": "a", "v": None}, "record 2, v: must be a number"),
        ({"n": "a", "v": 1, "t": True}, "record 2, t: must be a number"),
        ({"n": "a", "v": 1, "t": "1"}, "record 2, t: must be a number"),
        ({"n": "a", "vs": 1}, "record 2, vs: must be text"),
        ({"n": 1, "v": 1}, "record 2, n: must be text"),
        ({"n": "a", "v": 1, "u": 5}, "record 2, u: must be text"),
        ({"n": "a", "v": 1, "bver": 0}, "record 2, bver: must be a positive whole number"),
        ({"n": "a", "v": 1, "bver": True}, "record 2, bver: must be a positive whole number"),
        ({"n": "a", "v": 1, "bver": 5}, "record 2, bver: version 5 differs from 10 before"),
        ({"n": "a", "v": 1, "vb": True}, "record 2, vb: there is a value already, in v"),
        ({"n": "a", "vd": "a"}, "record 2, vd: must be base64url"),
        ({"n": "a", "vd": "aGk=x"}, "record 2, vd: must be base64url"),
        ({"n": "a", "vd": "aGk=="}, "record 2, vd: must be base64url"),
        ({"n": "a", "vd": "é"}, "record 2, vd: must be base64url"),
        ({"n": "a", "v": 1, "t": 253402300800}, "record 2, t: the time is not between"),
        ({"n": "a", "v": 1, "t": -1.6e9}, "record 2, t: the time is not between"),
        ({"n": "a", "v": 1, "t": 1e308, "bt": 1e308}, "record 2, t: is not finite"),
        ({"n": "a", "v": 1e308, "bv": 1e308}, "record 2, v: is not finite"),
        ({"n": "a", "v": 1, "\ud83c\udf3f_": 1}, "record 2: label .* must be understood"),
        ({"v": 1}, "record 2, n: is missing"),
        ({"n": "", "v": 1}, "record 2, n: is missing"),
        ({"t": 5}, "record 2, n: is missing"),
        ({}, "record 2, n: is missing"),
        ({"n": "a", "zz": 1}, "record 2, v: is missing"),
        ({"n": "a", "bs": 1}, "record 2, v: is missing"),
        ({"n": "tempé", "v": 1}, "record 2, n: name .* must begin"),
        ({"n": "a" * 257, "v": 1}, "more than 256 characters"),
        ({"bn": f"urn:dev:DVNUUID:{OTHER}:", "n": "a", "v": 1}, "record 2, bn: is another device's"),
        ({"bn": BN[:-1], "n": "a", "v": 1}, "record 2, bn: is another device's"),
        ({"bn": f"urn:dev:DVNUUID:{OTHER}:"}, "record 2, bn: is another device's"),
        ({"bn": "", "n": BN + "a", "v": 1}, "record 2, bn: is another device's"),
        ({"bn": BN.lower(), "n": "a", "v": 1}, "record 2, bn: is another device's"),
        ({"bn": 1, "n": "a", "v": 1}, "record 2, bn: must be text"),
    ],
    ids=str,
)
def test_a_record_is_refused_saying_where_and_why(record: dict[str, Any], told: str) -> None:
    with pytest.raises(BadRequestError, match=told):
        uplink({"bn": BN}, record)


def test_names_of_a_device_are_given_as_they_were_sent() -> None:
    found = uplink(
        {"bn": BN, "bt": 1585650750, "n": "Engine/oil.temp", "v": 20.5, "u": "Cel"},
        {"bn": f"{BN}gate:", "n": "open", "vb": True},
    )

    assert found == [
        {"n": "Engine/oil.temp", "t": 1585650750, "u": "Cel", "v": 20.5},
        {"n": "gate:open", "t": 1585650750, "vb": True},
    ]


def test_a_pack_of_base_fields_alone_is_valid_and_holds_nothing() -> None:
    assert uplink({"bn": BN, "bv": 10}, {"bt": 5}) == []


def test_bytes_come_out_as_the_rfc_spells_them() -> None:
    found = uplink({"bn": BN}, *({"n": "a", "vd": text} for text in ("+/8=", "-_8", "")))

    assert [record["vd"] for record in found] == ["-_8", "-_8", ""]


def test_numbers_are_doubles_but_int64_stays_whole() -> None:
    found = uplink(
        {"bn": BN, "bv": 0},
        {"n": "a", "v": 2**63 - 1},
        {"n": "b", "v": 10**22},
        {"bv": 1, "n": "c", "v": 2**63 - 1},
    )

    assert [record["v"] for record in found] == [2**63 - 1, 1e22, 2.0**63]
    assert [type(record["v"]) for record in found] == [int, float, float]


def test_update_time_and_units_nobody_registered_are_kept() -> None:
    assert uplink({"bn": BN, "n": "a", "v": 1, "ut": 60, "u": "olives"}) == [
        {"n": "a", "t": NOW, "u": "olives", "v": 1, "ut": 60}
    ]


# --- devices ----------------------------------------------------------------------------------------


def test_a_device_is_named_by_the_first_record_in_any_case_of_its_digits() -> None:
    pack = decode_pack(encoded([{"bn": f"urn:dev:DVNUUID:{DEVICE.upper()}:", "n": "a", "v": 1}]))

    assert device_of(pack) == DEVICE
    assert resolve_uplink(pack, dvn_uuid=DEVICE, now=NOW)[0].n == "a"


@pytest.mark.parametrize(
    "bn",
    [
        None,
        1,
        "",
        BN[:-1],
        f"{BN}x:",
        f" {BN}",
        f"{BN}\n",
        BN.lower(),
        "urn:dev:DVNUUID::",
        f"urn:dev:DEVEUI:{DEVICE}:",
        BN.replace("-", ""),
        BN.replace("3f0e", "\uff13f0e"),
    ],
    ids=ascii,
)
def test_any_other_base_name_is_no_device(bn: object) -> None:
    with pytest.raises(BadRequestError, match="record 1, bn: must be exactly urn:dev:DVNUUID:<uuid>:"):
        device_of(as_pack([{"n": "a", "v": 1} | ({} if bn is None else {"bn": bn})]))


def test_a_pack_of_another_device_is_refused() -> None:
    pack = decode_pack(encoded([{"bn": f"urn:dev:DVNUUID:{OTHER}:", "n": "a", "v": 1}]))

    with pytest.raises(BadRequestError, match="record 1, bn: is another device's"):
        resolve_uplink(pack, dvn_uuid=DEVICE, now=NOW)


@pytest.mark.parametrize(
    "text", ["", "x", DEVICE[:-1], f"{DEVICE}\n", f"{{{DEVICE}}}", DEVICE.replace("-", "")]
)
def test_what_has_not_the_form_of_a_uuid_is_refused(text: str) -> None:
    with pytest.raises(BadRequestError, match="dvnUuid"):
        check_dvn_uuid(text)


def test_series_are_named_as_telemetry_over_kp1_is() -> None:
    assert series_name("temperature") == "auto~temperature"
    assert series_name("Engine/oil.temp:2-a_b") == "auto~Engine_oil_temp_2-a_b"
    for name in ("", "a b", "é", "a\n"):
        with pytest.raises(BadRequestError):
            series_name(name)


# --- downlinks --------------------------------------------------------------------------------------


def test_a_downlink_begins_with_the_bare_base_name() -> None:
    pack = encode_downlink(
        DEVICE, [{"n": "setpoint", "v": 21, "u": "Cel"}, {"n": "é".encode().hex(), "vs": "é"}]
    )

    assert json.loads(pack) == [
        {"bn": BN},
        {"n": "setpoint", "v": 21, "u": "Cel"},
        {"n": "c3a9", "vs": "é"},
    ]
    assert resolve_uplink(decode_pack(pack), dvn_uuid=DEVICE, now=NOW)[0].v == 21


@pytest.mark.parametrize(
    ("records", "told"),
    [
        ([], "at least one record"),
        ([1], "record 1: must be an object"),
        ([{"n": "a"}], "record 1, v: is missing"),
        ([{"n": "a", "v": 1}, {"v": 1}], "record 2, n: must be 1 to 256"),
        ([{"n": "a b", "v": 1}], "record 1, n: must be 1 to 256"),
        ([{"n": "a", "v": True}], "record 1, v: must be a number"),
        ([{"n": "a", "v": 2**63}], "outside int64"),
        ([{"n": "a", "v": float("nan")}], "not finite"),
        ([{"n": "a", "v": 1, "vs": "x"}], "there is a value already"),
        ([{"n": "a", "vd": "?"}], "record 1, vd: must be base64url"),
        ([{"bn": BN, "n": "a", "v": 1}], "label 'bn' means nothing"),
        ([{"n": "a", "v": 1, "unit": "Cel"}], "label 'unit' means nothing"),
        ([{"n": "a", "v": 1}] * 512, "512 records is above the limit of 511"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_instruction_that_makes_no_sense_is_refused(records: list[Any], told: str) -> None:
    with pytest.raises(BadRequestError, match=told):
        encode_downlink(DEVICE, records)


def test_a_downlink_that_a_device_could_not_send_back_is_too_large() -> None:
    with pytest.raises(PayloadTooLargeError):
        encode_downlink(DEVICE, [{"n": "a", "vs": "x" * MAX_PACK_BYTES}])


# --- whatever comes ---------------------------------------------------------------------------------

_VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from([BN, f"{BN}x:", "a", "aGk", 2**28, -(2**28), 1e308])
)
_LABELS = st.sampled_from(
    ["bn", "bt", "bu", "bv", "bs", "bver", "n", "u", "v", "vs", "vb", "vd", "s", "t", "ut", "zz", "x_"]
)
_RECORDS = st.lists(
    st.dictionaries(_LABELS | st.text(max_size=3), _VALUES | st.lists(_VALUES, max_size=2), max_size=5),
    max_size=5,
)
_PLAUSIBLE = st.fixed_dictionaries(
    {"n": st.text("ab.-/:_", min_size=1, max_size=5)},
    optional={
        "v": st.integers(-(2**63), 2**63 - 1) | st.floats(-1e300, 1e300),
        "s": st.floats(-1e300, 1e300),
        "bs": st.floats(-1e300, 1e300),
        "bv": st.integers(-(2**63), 2**63 - 1),
        "bt": st.sampled_from([0, -60.5, 2**28, 2**28 - 1, 1585650750]),
        "t": st.floats(-1e6, 1e6) | st.integers(-60, 2**28),
        "bu": st.text(max_size=3),
    },
)


@given(st.binary(max_size=300) | _RECORDS.map(encoded))
def test_nothing_but_our_errors_is_ever_raised(body: bytes) -> None:
    status = 200
    try:
        pack = decode_pack(body)
        resolve(pack, now=NOW)
        resolve_uplink(pack, dvn_uuid=device_of(pack), now=NOW)
    except GroveError as error:
        status = error.status_code

    assert status in {200, 400}


@given(st.lists(_PLAUSIBLE, min_size=1, max_size=6))
def test_resolving_is_idempotent(records: list[dict[str, Any]]) -> None:
    try:
        resolved = resolve(decode_pack(encoded([{"bn": BN}, *records])), now=NOW)
    except BadRequestError:
        return

    assert not resolved or resolve(again(resolved), now=0) == resolved


@given(_RECORDS)
def test_a_downlink_is_a_pack_or_a_clear_error(records: list[Any]) -> None:
    told = DEVICE
    try:
        told = device_of(decode_pack(encode_downlink(DEVICE, records)))
    except BadRequestError as error:
        told = DvnUuid(error.reason_phrase)

    assert told == DEVICE or "record" in told or "$" in told


@pytest.mark.parametrize("label", ["bn", "bu"])
def test_a_long_base_cannot_make_a_large_pack_of_a_small_one(label: str) -> None:
    body = msgspec.json.encode(
        [{"bn": "a", label: "u" * 50_000, "n": "b", "v": 1}, *[{"v": 1, "n": "c"}] * 500]
    )

    with pytest.raises(BadRequestError, match=f"record 1, {label}: has more than 512 characters"):
        resolve(decode_pack(body), now=NOW)
