"""What makes an API key, what ends one, and what is stored instead of a secret."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from libs.contracts.errors import BadRequestError, ConflictError, UnauthorizedError
from libs.contracts.ids import ApiKeyId
from services.credential_manager.domain import (
    ApiKey,
    Change,
    FingerprintKeyError,
    Fingerprints,
    check_applications,
    check_key_name,
    parse_expiry,
)
from tests.support.credential_manager import SECRETS_KEY, START

CHANGE = Change(attempt="second", at=START + timedelta(minutes=1), announce_from=START + timedelta(minutes=2))


def seeded() -> ApiKey:
    created = Change(attempt="first", at=START, announce_from=START)
    return ApiKey.seed(ApiKeyId("key-1"), fingerprint=bytes(32), change=created)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2030-01-31T12:00:00Z", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2030-01-31T12:00:00.1234567+02:00", datetime(2030, 1, 31, 10, 0, 0, 123000, tzinfo=UTC)),
        (None, None),
    ],
    ids=["utc", "offset", "never"],
)
def test_an_expiry_is_an_instant_with_an_offset(text: str | None, instant: datetime | None) -> None:
    assert parse_expiry(text, now=START) == instant


@pytest.mark.parametrize(
    "text",
    [
        "2030-01-31T12:00:00",
        "2030-01-31",
        "tomorrow",
        "",
        "9999-12-31T23:59:59-23:59",
        "2026-11-21T06:00:00Z",
    ],
    ids=["no-offset", "date", "words", "empty", "beyond-time", "now"],
)
def test_any_other_expiry_is_refused(text: str) -> None:
    with pytest.raises(BadRequestError, match="expiryDate"):
        parse_expiry(text, now=START)


def test_a_key_is_refused_from_its_expiry_on() -> None:
    key = replace(seeded(), expires_at=START + timedelta(seconds=1))

    key.check_accepted(START)
    with pytest.raises(UnauthorizedError):
        key.check_accepted(START + timedelta(seconds=1))


def test_a_revoked_key_is_refused_in_the_words_of_an_expired_one() -> None:
    phrases = set()
    for key in (seeded().with_revocation(CHANGE), replace(seeded(), expires_at=START)):
        with pytest.raises(UnauthorizedError) as refused:
            key.check_accepted(START)
        phrases.add(refused.value.reason_phrase)

    assert len(phrases) == 1


def test_a_revocation_is_told_and_nothing_else() -> None:
    revoked = seeded().with_revocation(CHANGE)

    assert seeded().announcements() == ()
    assert [one.message_id for one in revoked.announcements()] == ["key-1-2-revoked"]
    assert revoked.announce_from == CHANGE.announce_from
    assert revoked.reinstated(CHANGE).announcements() == ()


def test_the_admin_key_cannot_be_revoked_where_it_would_lock_everybody_out() -> None:
    with pytest.raises(ConflictError, match="GROVE_ADMIN_KEY"):
        seeded().check_revocable()
    seeded().with_revocation(CHANGE).check_revocable()
    replace(seeded(), seeded=False).check_revocable()


@pytest.mark.parametrize(
    "name", ["", "  ", "a" * 257, "a\nb", "\x00"], ids=["empty", "blank", "long", "line", "nul"]
)
def test_a_key_has_a_printable_name(name: str) -> None:
    with pytest.raises(BadRequestError, match="name"):
        check_key_name(name)


def test_names_and_limits_are_tidied() -> None:
    assert check_key_name("  büro 1 ") == "büro 1"
    assert check_applications(("b", "a", "b")) == ("b", "a")
    assert check_applications(None) is None


@pytest.mark.parametrize(
    "names", [(), ("A",), tuple(f"a{number}" for number in range(101))], ids=["none", "no-name", "too-many"]
)
def test_limits_name_applications(names: tuple[str, ...]) -> None:
    with pytest.raises(BadRequestError):
        check_applications(names)


def test_equal_values_are_hashed_differently_per_kind_and_key() -> None:
    one, other = Fingerprints(SECRETS_KEY), Fingerprints(SECRETS_KEY + "!")

    hashes = {one.of_token("v"), one.of_api_key("v"), other.of_token("v"), other.of_api_key("v")}

    assert len(hashes) == 4
    assert one.of_token("v") == Fingerprints(SECRETS_KEY).of_token("v")
    assert len(one.of_api_key("\ud800")) == 32


def test_a_short_key_of_secrets_is_refused() -> None:
    with pytest.raises(FingerprintKeyError, match="32"):
        Fingerprints("x" * 31)
