from datetime import UTC, datetime

import msgspec
import pytest

from libs.contracts.api_keys import ApiKey, Scope
from libs.contracts.errors import ForbiddenError, UnauthorizedError
from services.api_gateway.domain import (
    check_expiry,
    check_scope,
    fingerprint,
    presented_key,
)
from services.api_gateway.usecases import Caller

KEY = ApiKey("k1", "n", Scope.WRITE, None, "2026-11-21T04:00:00.000Z", None, revoked=False)
NOW = datetime(2026, 11, 21, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("authorization", "iamcore"),
    [("Bearer abc", None), ("bearer  abc", None), (None, "abc"), ("BEARER abc ", "other")],
)
def test_a_key_is_read_from_either_header(authorization: str | None, iamcore: str | None) -> None:
    assert presented_key(authorization, iamcore) == "abc"


@pytest.mark.parametrize(
    ("authorization", "iamcore"),
    [
        (None, None),
        ("", "abc"),
        ("Bearer ", None),
        ("Bearer a b", None),
        ("Token abc", None),
        ("Bearer " + "a" * 513, None),
        ("Bearer ö", None),
        (None, "a b"),
        (None, ""),
    ],
)
def test_anything_else_is_unauthorized(authorization: str | None, iamcore: str | None) -> None:
    with pytest.raises(UnauthorizedError):
        presented_key(authorization, iamcore)


def test_no_refusal_repeats_the_key() -> None:
    with pytest.raises(UnauthorizedError) as caught:
        presented_key("Bearer secret-one and-more", None)

    assert "secret-one" not in str(caught.value)


def test_fingerprints_differ_and_do_not_tell() -> None:
    assert fingerprint("abc") != fingerprint("abd")
    assert "abc" not in fingerprint("abc")


def test_a_caller_is_shown_by_id() -> None:
    assert repr(Caller(KEY, "secret")) == "Caller(k1)"


@pytest.mark.parametrize(
    "expiry", [None, "2026-11-21T04:00:00.001Z", "2026-11-21T05:30:00+01:00"], ids=["never", "soon", "zone"]
)
def test_a_key_lives_until_its_expiry(expiry: str | None) -> None:
    check_expiry(msgspec.structs.replace(KEY, expiry_date=expiry), now=NOW)


@pytest.mark.parametrize("expiry", ["2026-11-21T04:00:00.000Z", "2026-11-21T04:30:00+01:00"])
def test_a_key_is_over_at_its_expiry(expiry: str) -> None:
    with pytest.raises(UnauthorizedError, match="expired"):
        check_expiry(msgspec.structs.replace(KEY, expiry_date=expiry), now=NOW)


@pytest.mark.parametrize(
    ("needed", "whole", "applications", "phrase"),
    [
        (Scope.ADMIN, False, None, "the scope admin, the API key has write"),
        (Scope.WRITE, True, ("olives",), "for all applications"),
    ],
)
def test_a_refusal_says_what_is_missing(
    needed: Scope, applications: tuple[str, ...] | None, phrase: str, *, whole: bool
) -> None:
    with pytest.raises(ForbiddenError, match=phrase):
        check_scope(msgspec.structs.replace(KEY, applications=applications), needed, whole=whole)
