from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.errors import BadRequestError
from libs.contracts.ids import ApplicationName, AppVersionName, EndpointId
from services.endpoint_register.domain.endpoint import Endpoint
from services.endpoint_register.domain.listing import (
    Order,
    keys_of,
    parse_sort,
    range_of,
)

START = datetime(2026, 11, 21, tzinfo=UTC)
NAMES = st.text("abz019._~-", min_size=1, max_size=4)
ENDPOINTS = st.builds(
    lambda endpoint_id, application, suffix, ms: Endpoint(
        id=EndpointId(endpoint_id),
        application=ApplicationName(application),
        version=AppVersionName(f"{application}-{suffix}"),
        version_since=START,
        created_at=START + timedelta(milliseconds=ms),
        incarnation="x",
    ),
    NAMES,
    st.text("ab0_-", min_size=1, max_size=3),
    st.text("v01", min_size=1, max_size=2),
    st.integers(0, 2),
)


@given(
    st.lists(ENDPOINTS, max_size=8, unique_by=lambda endpoint: endpoint.id),
    ENDPOINTS,
    st.sampled_from(Order),
    st.sampled_from(["all", "application", "version"]),
)
def test_a_range_holds_exactly_its_endpoints_in_order(
    endpoints: list[Endpoint], wanted: Endpoint, order: Order, scope: str
) -> None:
    part = range_of(
        order,
        descending=False,
        application=wanted.application if scope == "application" else None,
        version=wanted.version if scope == "version" else None,
    )

    keys = {keys_of(endpoint)[part.key]: endpoint for endpoint in endpoints}
    within = [keys[key] for key in sorted(keys) if not part.prefix or part.prefix <= key < part.end]

    expected = [
        endpoint
        for endpoint in endpoints
        if scope == "all" or getattr(endpoint, scope) == getattr(wanted, scope)
    ]
    assert {endpoint.id for endpoint in within} == {endpoint.id for endpoint in expected}
    if order is Order.ENDPOINT_ID:
        assert [endpoint.id for endpoint in within] == sorted(endpoint.id for endpoint in expected)
    if order is Order.CREATED:
        assert within == sorted(expected, key=lambda endpoint: (endpoint.created_at, endpoint.id))


@pytest.mark.parametrize(
    ("sort", "parsed"),
    [
        pytest.param(None, (Order.CREATED, False), id="absent"),
        pytest.param("endpointId", (Order.ENDPOINT_ID, False), id="ascending"),
        pytest.param("-appVersion", (Order.APP_VERSION, True), id="descending"),
    ],
)
def test_a_sort_is_a_field_with_a_direction(sort: str | None, parsed: tuple[Order, bool]) -> None:
    assert parse_sort(sort) == parsed


@pytest.mark.parametrize("sort", ["", "-", "name", "--createdDate", "createdDate,endpointId"])
def test_another_sort_is_a_bad_request(sort: str) -> None:
    with pytest.raises(BadRequestError):
        parse_sort(sort)
