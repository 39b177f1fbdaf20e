"""Messages survive services of different versions: protocol/bus.md."""

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from libs.contracts import errors
from libs.contracts.api_keys import Scope, allows
from libs.contracts.esp import ClientData
from libs.contracts.instants import iso_ms, unix_ms
from libs.contracts.messages import Request


class _Older(Request, frozen=True, kw_only=True):
    endpoint_id: str


class _Newer(Request, frozen=True, kw_only=True):
    endpoint_id: str
    added_later: int = 7


def test_fields_travel_by_their_rfc_names() -> None:
    sent = msgspec.msgpack.encode(ClientData(app_version_name="a-1", endpoint_id="e", resource_path="/get"))

    fields = msgspec.msgpack.decode(sent)
    assert fields["appVersionName"] == "a-1"
    assert fields["resourcePath"] == "/get"
    assert fields["correlationId"] == ""


def test_unknown_fields_are_ignored_and_missing_ones_have_defaults() -> None:
    newer = msgspec.msgpack.encode(_Newer(endpoint_id="e", added_later=1))
    older = msgspec.msgpack.encode(_Older(endpoint_id="e"))

    assert msgspec.msgpack.decode(newer, type=_Older).endpoint_id == "e"
    assert msgspec.msgpack.decode(older, type=_Newer).added_later == 7


@pytest.mark.parametrize("code", sorted(errors.STATUS_CODES - {200, 201, 204, 304}))
def test_every_status_code_has_its_error(code: int) -> None:
    error = errors.error_for(code, "because")

    assert (error.status_code, error.reason_phrase) == (code, "because")
    assert error.retried == (code in {409, 429, 500, 503, 504})


def test_unlisted_status_code_is_our_fault() -> None:
    assert errors.error_for(418).status_code == 500


def test_error_without_a_phrase_has_the_standard_one() -> None:
    assert errors.NotFoundError().reason_phrase == "Not Found"


def test_instants_are_spelled_in_utc_with_milliseconds() -> None:
    instant = datetime(2026, 11, 21, 5, 31, 38, 123999, tzinfo=timezone(timedelta(hours=2)))

    assert iso_ms(instant) == "2026-11-21T03:31:38.123Z"
    assert iso_ms(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00.000Z"
    assert unix_ms(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)) == 1000


def test_wider_scopes_include_the_narrower_ones() -> None:
    assert allows(Scope.ADMIN, Scope.READ)
    assert allows(Scope.WRITE, Scope.WRITE)
    assert not allows(Scope.READ, Scope.WRITE)
    assert not allows(Scope.WRITE, Scope.ADMIN)
