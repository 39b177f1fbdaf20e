from typing import Any

import pytest

from libs.contracts.app_configs import (
    MAX_LISTED_BYTES,
    MAX_TOGETHER,
    Listing,
    Placed,
    all_unwrapped,
    patched,
    stopped,
    unwrapped,
    wrapped,
)
from libs.contracts.errors import BadRequestError, PayloadTooLargeError, UnavailableError
from tests.support.rest import Json

V1 = "olives-v1"


def envelope(own: Json, *, service: str = "epmx") -> dict[str, Any]:
    return {service: {"kaa": {"applications": own}}}


def placed(application: str, version: str | None, document: dict[str, Any]) -> Placed:
    return Placed(application=application, version=version, document=document)


@pytest.mark.parametrize("version", [pytest.param(None, id="application"), pytest.param(V1, id="version")])
def test_what_is_wrapped_is_unwrapped(version: str | None) -> None:
    document = {"anything": [{"$goes": {"a.b": None}}]}

    body = wrapped([placed("olives", version, document)], service="epmx")
    found = unwrapped(body, service="epmx", application="olives", version=version)

    assert (found.application, found.version, found.document) == ("olives", version, document)


def test_nothing_is_an_empty_envelope() -> None:
    assert wrapped([], service="epts") == {"epts": {"kaa": {"applications": {}}}}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        pytest.param([], "$: must be an object", id="no object"),
        pytest.param({}, "$: must hold 'epmx'", id="empty"),
        pytest.param(envelope({"olives": {}}, service="kpc"), "$: must hold 'epmx'", id="another service"),
        pytest.param(envelope({"figs": {}}), "$.epmx.kaa.applications: must hold 'olives'", id="app"),
        pytest.param(envelope({"olives": {}, "figs": {}}), "$.epmx.kaa.applications:", id="one more"),
        pytest.param(envelope({"olives": None}), "applications.olives: must be an object", id="null"),
        pytest.param(envelope({"olives": {"versions": {}}}), "olives.versions: a version's", id="versions"),
        pytest.param(envelope({"olives": {"n": 2**64}}), "n: integer", id="beyond int64"),
    ],
)
def test_an_envelope_of_one_is_for_what_the_path_names(body: Json, path: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        unwrapped(body, service="epmx", application="olives", version=None)

    assert path in caught.value.reason_phrase


@pytest.mark.parametrize(
    ("own", "found"),
    [
        pytest.param({"olives": {"a": 1}}, [("olives", None, {"a": 1})], id="an application"),
        pytest.param({"olives": {}}, [("olives", None, {})], id="nothing for an application"),
        pytest.param(
            {"olives": {"versions": {V1: {"b": 2}}}}, [("olives", V1, {"b": 2})], id="a version alone"
        ),
        pytest.param(
            {"olives": {"versions": {V1: {}}, "a": 1}, "figs": {}},
            [("olives", None, {"a": 1}), ("olives", V1, {}), ("figs", None, {})],
            id="several",
        ),
    ],
)
def test_an_envelope_of_several_is_its_documents_in_order(
    own: Json, found: list[tuple[str, str | None, Json]]
) -> None:
    documents = all_unwrapped(envelope(own), service="epmx")

    assert [(each.application, each.version, each.document) for each in documents] == found


def test_what_was_listed_can_be_written_as_it_is() -> None:
    documents = [placed("figs", None, {}), placed("olives", None, {"a": 1}), placed("olives", V1, {"b": 2})]
    listing = Listing(service="epmx")
    for each in reversed(documents):
        listing.add(each)

    again = all_unwrapped(wrapped(listing.all, service="epmx"), service="epmx")

    assert [(each.application, each.version, each.document) for each in again] == [
        (each.application, each.version, each.document) for each in documents
    ]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        pytest.param(envelope({}), "$.epmx.kaa.applications: holds no configuration", id="empty"),
        pytest.param(envelope({"olives": {"versions": {}}}), "holds no configuration", id="no versions"),
        pytest.param(envelope({"olives": 1}), "applications.olives: must be an object", id="number"),
        pytest.param(envelope({"olives": {"versions": []}}), "olives.versions: must be", id="array"),
        pytest.param(
            envelope({"olives": {"versions": {V1: 1}}}), f"versions.{V1}: must be an object", id="version"
        ),
        pytest.param(envelope({"olives": {"versions": {V1: {"n": 2**64}}}}), "n: integer", id="int64"),
    ],
)
def test_an_envelope_of_several_is_refused_with_the_path(body: Json, path: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        all_unwrapped(body, service="epmx")

    assert path in caught.value.reason_phrase


def test_so_many_are_written_at_once_and_not_one_more() -> None:
    most: dict[str, Json] = {f"a{number}": {} for number in range(MAX_TOGETHER)}

    assert len(all_unwrapped(envelope(most), service="epmx")) == MAX_TOGETHER
    with pytest.raises(PayloadTooLargeError, match="at most 200"):
        all_unwrapped(envelope(most | {"one-more": {}}), service="epmx")


def test_what_does_not_fit_into_one_answer_is_refused() -> None:
    listing = Listing(service="epmx")
    listing.add(placed("olives", None, {"a": "x" * (MAX_LISTED_BYTES - 100)}))

    with pytest.raises(PayloadTooLargeError, match="application by application"):
        listing.add(placed("olives", V1, {"a": "x" * 100}))


def test_how_far_a_failure_let_it_come_is_told_and_its_kind_stays() -> None:
    at = Placed(application="olives", version=V1, document={}, path=f"$.epmx.{V1}")

    error = stopped(UnavailableError("the store is away"), at, number=2, of=5)

    assert type(error) is UnavailableError
    assert str(error) == f"2 of 5 configurations are written, then $.epmx.{V1} failed: the store is away"


@pytest.mark.parametrize(
    ("document", "patch", "result"),
    [
        # RFC 7396, appendix A; what is no object at the top cannot be configured.
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"a": 1}, {"a": [None, {"b": None}]}, {"a": [None, {"b": None}]}),
        ({"a": 1}, {}, {"a": 1}),
    ],
    ids=str,
)
def test_a_merge_patch_does_what_the_rfc_says(document: Json, patch: Json, result: Json) -> None:
    before = repr(document)

    assert patched(document, patch) == result
    assert repr(document) == before
