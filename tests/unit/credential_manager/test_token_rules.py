"""What a token may become, what is told about it, and what a list shows."""

from datetime import timedelta
from itertools import product

import pytest

from libs.contracts.ecap import EndpointTokenRevokedEvent, EndpointTokenStatusChangedEvent
from libs.contracts.errors import ConflictError, ForbiddenError
from libs.contracts.ids import TokenId
from libs.contracts.tokens import TokenStatus
from services.credential_manager.domain import (
    Change,
    EndpointToken,
    Phase,
    check_room,
    e_tag_of,
    page_of,
    refuse_duplicate,
)
from tests.support.credential_manager import APPLICATION, ENDPOINT, START

INACTIVE, ACTIVE = TokenStatus.INACTIVE, TokenStatus.ACTIVE
SUSPENDED, REVOKED = TokenStatus.SUSPENDED, TokenStatus.REVOKED
STEPS = {
    (INACTIVE, ACTIVE),
    (INACTIVE, REVOKED),
    (ACTIVE, SUSPENDED),
    (ACTIVE, REVOKED),
    (SUSPENDED, ACTIVE),
    (SUSPENDED, REVOKED),
}
PATHS: dict[TokenStatus, tuple[TokenStatus, ...]] = {
    INACTIVE: (),
    ACTIVE: (ACTIVE,),
    SUSPENDED: (ACTIVE, SUSPENDED),
    REVOKED: (REVOKED,),
}


def change(minutes: int = 1) -> Change:
    at = START + timedelta(minutes=minutes)
    return Change(attempt=f"minute-{minutes}", at=at, announce_from=at + timedelta(seconds=3))


def token(status: TokenStatus = INACTIVE, *, number: int = 1) -> EndpointToken:
    made = EndpointToken.new(
        TokenId(f"id-{number}"),
        application=APPLICATION,
        endpoint_id=ENDPOINT,
        fingerprint=bytes([number] * 32),
        change=change(number),
    )
    for step in PATHS[status]:
        made = made.moved(step, change(number)) or made
    assert made.status is status
    return made


@pytest.mark.parametrize(
    ("source", "target"),
    list(product(TokenStatus, TokenStatus)),
    ids=[f"{source.value}-to-{target.value}" for source, target in product(TokenStatus, TokenStatus)],
)
def test_every_step_is_taken_ignored_or_refused_naming_both_states(
    source: TokenStatus, target: TokenStatus
) -> None:
    before = token(source)

    if source is target:
        assert before.moved(target, change(9)) is None
    elif (source, target) in STEPS:
        after = before.moved(target, change(9))
        assert after is not None
        assert (after.status, after.revision, after.attempt) == (target, before.revision + 1, "minute-9")
        assert after.updated_at == after.changed_at == change(9).at
        assert after.announce_from == change(9).announce_from
    else:
        with pytest.raises(ConflictError, match=f"{source.value}.*{target.value}"):
            before.moved(target, change(9))


@pytest.mark.parametrize("status", TokenStatus, ids=lambda status: status.value)
def test_only_inactive_and_active_tokens_are_let_in(status: TokenStatus) -> None:
    if status in {INACTIVE, ACTIVE}:
        token(status).check_accepted()
    else:
        with pytest.raises(ForbiddenError, match=status.value.lower()):
            token(status).check_accepted()


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (INACTIVE, ["status-changed"]),
        (ACTIVE, ["status-changed"]),
        (SUSPENDED, ["revoked", "status-changed"]),
        (REVOKED, ["revoked", "status-changed"]),
    ],
    ids=["inactive", "active", "suspended", "revoked"],
)
def test_refusals_are_told_first(status: TokenStatus, told: list[str]) -> None:
    announcements = token(status).announcements()

    assert [one.kind.name for one in announcements] == told
    event = announcements[-1].event
    assert isinstance(event, EndpointTokenStatusChangedEvent)
    assert (event.app_name, event.endpoint_id, event.status) == (APPLICATION, ENDPOINT, status)


def test_a_deletion_is_told_as_a_refusal_without_a_state() -> None:
    refused, changed = token(ACTIVE).deleted(change(9)).announcements()

    assert isinstance(refused.event, EndpointTokenRevokedEvent)
    assert refused.event.token_ids == ("id-1",)
    assert isinstance(changed.event, EndpointTokenStatusChangedEvent)
    assert changed.event.status is None


def test_message_ids_name_the_token_the_revision_and_the_event() -> None:
    suspended = token(SUSPENDED)

    assert [one.message_id for one in suspended.announcements()] == [
        "id-1-3-revoked",
        "id-1-3-status-changed",
    ]
    reactivated = suspended.moved(ACTIVE, change(9))
    assert reactivated is not None
    assert [one.message_id for one in reactivated.announcements()] == ["id-1-4-status-changed"]


def test_a_deleted_token_gives_its_value_back_and_is_forgotten_after_the_repetition_of_a_start() -> None:
    before = token(ACTIVE)

    after = before.deleted(change(9))

    assert after.phase is Phase.DELETED
    assert after.fingerprint != before.fingerprint
    assert after.forget_from is not None
    assert after.forget_from - change(9).at > timedelta(minutes=10)


def test_a_claim_is_not_told_and_is_forgotten_soon_unless_it_is_confirmed() -> None:
    claim = token().unconfirmed()

    assert claim.announcements() == ()
    assert (claim.announce_from, claim.forget_from) == (None, claim.created_at + timedelta(minutes=1))
    confirmed = claim.confirmed(change(9), incarnation="first")
    assert (confirmed.phase, confirmed.forget_from, confirmed.revision) == (Phase.LIVE, None, 2)
    assert [one.kind.name for one in confirmed.announcements()] == ["status-changed"]


def test_the_hash_of_a_token_is_not_shown() -> None:
    assert "fingerprint" not in repr(token())


@pytest.mark.parametrize(
    ("existing", "phrase"),
    [
        (token(REVOKED), "was revoked"),
        (token().unconfirmed(), "being created"),
        (token(ACTIVE), "already in use in application 'olives'"),
    ],
    ids=["revoked", "unconfirmed", "in-use"],
)
def test_a_taken_value_is_refused_with_the_reason(existing: EndpointToken, phrase: str) -> None:
    assert phrase in refuse_duplicate(existing).reason_phrase


def test_an_endpoint_has_room_for_a_thousand_tokens() -> None:
    check_room(999)
    with pytest.raises(ConflictError, match="1000"):
        check_room(1000)


def test_a_page_is_cut_from_the_wanted_order_and_states_and_counts_them_all() -> None:
    tokens = [token(number=2), token(ACTIVE, number=1), token(number=3)]

    newest, total = page_of(tokens, statuses=(), newest_first=True, offset=0, limit=2)
    oldest, _ = page_of(tokens, statuses=(), newest_first=False, offset=1, limit=2)
    active, actives = page_of(tokens, statuses=(ACTIVE,), newest_first=True, offset=0, limit=2)

    assert ([one.id for one in newest], total) == (["id-3", "id-2"], 3)
    assert [one.id for one in oldest] == ["id-2", "id-3"]
    assert ([one.id for one in active], actives) == (["id-1"], 1)


def test_any_change_gives_another_entity_tag_and_order_none() -> None:
    one, other = token(number=1), token(number=2)
    used = one.moved(ACTIVE, change(9))
    assert used is not None

    tags = {e_tag_of([one, other]), e_tag_of([used, other]), e_tag_of([one]), e_tag_of([])}

    assert len(tags) == 4
    assert e_tag_of([other, one]) == e_tag_of([one, other])
