import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.api_keys import ApiKey, CheckApiKey, Scope
from libs.contracts.credentials import ListTokens, SetTokenStatus
from libs.contracts.endpoints import ListEndpoints, PutMetadata
from libs.contracts.tokens import TokenStatus
from services.api_gateway.binding import Incoming, bind, ignored_parameters
from services.api_gateway.problems import InvalidRequestError
from services.api_gateway.routes import ROUTES, Route
from services.api_gateway.usecases import Caller

KEY = ApiKey("k1", "n", Scope.WRITE, ("olives",), "2026-11-21T04:00:00.000Z", None, revoked=False)
CALLER = Caller(KEY, "the-key")


def route_of(operation_id: str) -> Route:
    return next(route for route in ROUTES if route.operation_id == operation_id)


def bound(
    operation_id: str,
    *,
    query: str = "",
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    **values: str,
) -> object:
    incoming = Incoming(values=values, query=query, headers=headers or {}, body=body)
    return bind(route_of(operation_id), incoming, caller=CALLER)


def problems_of(operation_id: str, **parts: str) -> dict[str, str]:
    with pytest.raises(InvalidRequestError) as caught:
        bound(operation_id, **parts)  # type: ignore[arg-type]  # only texts are given here
    return {each.path: each.problem for each in caught.value.problems}


def test_what_is_not_given_has_its_default() -> None:
    assert bound("listEndpoints") == ListEndpoints(applications=("olives",))


def test_states_are_read_as_such() -> None:
    request = bound("listTokens", query="status=Active,%20Revoked&order=ASC", endpointId="e")

    assert request == ListTokens(
        applications=("olives",),
        endpoint_id="e",
        status=(TokenStatus.ACTIVE, TokenStatus.REVOKED),
        order="ASC",
    )


@pytest.mark.parametrize(("text", "meant"), [("true", True), ("FALSE", False)])
def test_booleans_are_words(text: str, *, meant: bool) -> None:
    request = bound("deleteApplication", query=f"force={text}", applicationName="olives")

    assert getattr(request, "force") is meant  # noqa: B009 - bound() gives whichever request it is


def test_conditions_come_from_headers() -> None:
    request = bound("putMetadata", body=b"{}", headers={"If-Match": '"1"'}, endpointId="e")

    assert request == PutMetadata(applications=("olives",), endpoint_id="e", payload=b"{}", if_match='"1"')


def test_a_body_becomes_its_struct() -> None:
    request = bound("setTokenStatus", body=b'{"status":"Suspended"}', endpointId="e", tokenId="t")

    assert isinstance(request, SetTokenStatus)
    assert request.body.status is TokenStatus.SUSPENDED


def test_who_am_i_is_asked_with_the_callers_key() -> None:
    assert bound("checkApiKey") == CheckApiKey(key="the-key")


def test_a_plus_in_a_query_is_a_space() -> None:
    request = bound("listEndpoints", query="endpointId=a+,b%2B")

    assert isinstance(request, ListEndpoints)
    assert request.endpoint_id == ("a", "b+")


@pytest.mark.parametrize(
    ("query", "problems"),
    [
        ("limit=0", {"query.limit": "must be at least 1"}),
        ("limit=1001", {"query.limit": "must be at most 1000"}),
        ("limit=ten", {"query.limit": "must be a whole number"}),
        ("limit=5&limit=6", {"query.limit": "is given more than once"}),
        ("offset=-1", {"query.offset": "must be at least 0"}),
        ("limit", {"query.limit": "has no value"}),
        ("include=,", {"query.include": "has no value"}),
        ("include=metadata,all", {"query.include": "must be one of connectivity, filters, metadata"}),
        ("Limit=5", {"query.Limit": "unknown parameter; did you mean limit?"}),
        ("applications=figs", {"query.applications": "unknown parameter; did you mean applicationName?"}),
        ("correlationId=1", {"query.correlationId": "unknown parameter"}),
        ("sort=%E2%82", {"query": "is not percent-encoded UTF-8"}),
        ("sort=ö", {"query": "is not percent-encoded UTF-8"}),
        ("a&" * 1500, {"query": "has more than 1000 parameters"}),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_a_bad_query_is_told(query: str, problems: dict[str, str]) -> None:
    assert problems_of("listEndpoints", query=query) == problems


def test_a_caller_cannot_widen_the_limits_of_the_key_in_the_body() -> None:
    with pytest.raises(InvalidRequestError, match=r"\$\.applications: unknown field"):
        bound("createApplication", body=b'{"applications":null}')


def test_ignored_parameters_are_named() -> None:
    route = route_of("listEndpoints")

    assert ignored_parameters(route, "tenantId=1&limit=3&regex=a&tenantId=2") == ["regex", "tenantId"]
    assert ignored_parameters(route_of("getEndpoint"), "tenantId=1") == []


def places_of(operation_id: str, *, query: str = "", body: bytes = b"") -> list[str]:
    try:
        bound(operation_id, query=query, body=body)
    except InvalidRequestError as error:
        return [each.path for each in error.problems]
    return []


@given(query=st.text(st.characters(max_codepoint=127)))
def test_any_query_is_taken_or_refused_with_places(query: str) -> None:
    assert all(place.startswith("query") for place in places_of("listEndpoints", query=query))


@given(body=st.binary())
def test_any_body_is_taken_or_refused_with_places(body: bytes) -> None:
    assert all(place.startswith("$") for place in places_of("createEndpoint", body=body))
