"""Who may see what of an event."""

from typing import Any

import msgspec
import pytest

from libs.contracts.api_keys import ApiKey, Scope
from libs.contracts.catalogue import declared_events
from libs.contracts.live import type_name
from libs.contracts.subjects import AnyEventType
from services.api_gateway.live.showing import Told, Wanted, read_event, wanted_by
from tools.message_examples import example

UPDATED = "endpoint.metadata.updated"
CONNECTED = "endpoint.connectivity.connected"


def told(kind: str, **fields: object) -> Told:
    return read_event(kind, msgspec.msgpack.encode(fields))


def wanted(
    *applications: str,
    scope: Scope = Scope.READ,
    endpoints: tuple[str, ...] = (),
    kinds: tuple[str, ...] = (),
) -> Wanted:
    key = ApiKey(
        api_key_id="k",
        name="k",
        scope=scope,
        applications=applications or None,
        created_date="",
        expiry_date=None,
        revoked=False,
    )
    return wanted_by(key, endpoint_ids=endpoints, kinds=kinds)


def shown(who: Wanted, event: Told) -> Any:  # noqa: ANN401 - what the event's JSON holds
    text = who.shown(event)
    return None if text is None else msgspec.json.decode(text)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"endpointId": "a", "appVersionName": "olives-v1"}, id="by version"),
        pytest.param({"endpointId": "a", "appName": "olives"}, id="by application"),
        pytest.param({"applicationName": "olives"}, id="by application in full"),
    ],
)
def test_a_limited_key_is_told_of_its_applications_only(fields: dict[str, object]) -> None:
    event = told(UPDATED, **fields)

    assert shown(wanted(), event) == fields
    assert shown(wanted("olives"), event) == fields
    assert shown(wanted("figs", "olive"), event) is None


def test_what_belongs_to_no_application_is_for_keys_without_limits() -> None:
    for fields in ({}, {"endpointId": "a"}, {"appVersionName": "no version"}, {"appVersionName": 7}):
        event = told("thing.of.tomorrow", **fields)

        assert shown(wanted(), event) == fields
        assert shown(wanted("olives"), event) is None


def test_events_of_api_keys_need_what_listing_keys_needs() -> None:
    event = told("api-key.status.revoked", apiKeyId="k")

    assert shown(wanted(scope=Scope.ADMIN), event) == {"apiKeyId": "k"}
    assert shown(wanted(scope=Scope.WRITE), event) is None
    assert shown(wanted("olives", scope=Scope.ADMIN), event) is None


def test_an_event_of_several_endpoints_is_narrowed_to_those_one_may_see() -> None:
    event = told(
        CONNECTED,
        endpoints={"a": "olives-v1", "b": "figs-v1", "c": "nonsense"},
        generations={"a": "1", "b": "2"},
        transport="MQTT",
    )

    assert shown(wanted(), event) == event.fields
    assert shown(wanted("olives"), event) == {
        "endpoints": {"a": "olives-v1"},
        "generations": {"a": "1"},
        "transport": "MQTT",
    }
    assert shown(wanted("olives", endpoints=("b",)), event) is None
    assert shown(wanted(endpoints=("b", "z")), event)["endpoints"] == {"b": "figs-v1"}
    assert shown(wanted("plums"), event) is None


def test_filters_are_by_type_and_by_endpoint() -> None:
    event = told(UPDATED, endpointId="a", appVersionName="olives-v1")

    assert shown(wanted(kinds=(UPDATED, CONNECTED), endpoints=("a", "b")), event)
    assert shown(wanted(kinds=(CONNECTED,)), event) is None
    assert shown(wanted(endpoints=("b",)), event) is None
    assert shown(wanted(endpoints=("a",)), told("service.configuration.upsert", appName="olives")) is None


def test_samples_are_shown_as_json_in_one_line() -> None:
    event = told(
        "endpoint.data-collection.data-samples-received",
        contentType="application/json",
        dataSamples=[b'{\r\n "a": "x\\ny"\n}', b"21.5"],
    )

    assert b"\n" not in event.text
    assert b"\r" not in event.text
    assert shown(wanted(), event)["dataSamples"] == [{"a": "x\ny"}, 21.5]


@pytest.mark.parametrize(
    "body",
    [b"", b"\xc1", msgspec.msgpack.encode([1]), msgspec.msgpack.encode(msgspec.msgpack.Ext(9, b"x"))],
    ids=["empty", "no MessagePack", "no map", "an extension"],
)
def test_what_nobody_can_read_says_so(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_event(UPDATED, body)


def name_of(event: AnyEventType) -> str:
    return f"{type_name(event)} of {event.originator}"


@pytest.mark.parametrize("event", declared_events(), ids=name_of)
def test_every_event_of_endpoints_and_applications_is_attributed(event: AnyEventType) -> None:
    message = msgspec.json.decode(example(event.event, originator=event.originator), type=event.event)

    seen = read_event(type_name(event), msgspec.msgpack.encode(message))

    assert b"\n" not in seen.text
    if event.entity != "api-key":
        assert seen.application or (seen.endpoints and all(seen.endpoints.values()))
