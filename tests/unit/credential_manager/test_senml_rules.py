"""What a SenML credential may become, what is told about it, and how its secret is kept."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.errors import ConflictError
from libs.contracts.ids import EndpointId
from libs.contracts.senml import DvnUuid
from libs.contracts.senml_credentials import (
    DeviceSecret,
    NewSenmlCredential,
    SenmlCredentialRevokedEvent,
    SenmlCredentialStatusChangedEvent,
)
from libs.contracts.tokens import TokenStatus
from services.credential_manager.domain import (
    NONCE_BYTES,
    Change,
    Phase,
    SecretBox,
    SenmlCredential,
    UnreadableSecretError,
    check_device,
    refuse_second,
)
from tests.support.credential_manager import APPLICATION, ENDPOINT, SECRETS_KEY, START
from tests.unit.credential_manager.senml_calls import DEVICE, SECRET

CHANGE = Change(attempt="a", at=START, announce_from=START)
NONCE = bytes(NONCE_BYTES)


def credential(number: int = 1, *, endpoint: str = ENDPOINT, phase: Phase = Phase.LIVE) -> SenmlCredential:
    return SenmlCredential(
        id=f"id-{number}",
        revision=1,
        attempt="attempt",
        changed_at=START,
        announce_from=START,
        application=APPLICATION,
        endpoint_id=EndpointId(endpoint),
        incarnation="first",
        fingerprint=bytes([number] * 32),
        status=TokenStatus.INACTIVE,
        phase=phase,
        created_at=START,
        updated_at=None,
        forget_from=None,
        dvn_uuid=DEVICE,
        sealed=b"sealed",
    )


def moved(one: SenmlCredential, *statuses: TokenStatus) -> SenmlCredential:
    for status in statuses:
        one = one.moved(status, CHANGE) or one
    return one


def test_the_secret_is_kept_as_long_as_it_may_be_accepted_and_no_longer() -> None:
    active = moved(credential(), TokenStatus.ACTIVE)
    suspended = moved(active, TokenStatus.SUSPENDED)
    revoked = moved(suspended, TokenStatus.REVOKED)

    assert [one.sealed for one in (active, suspended)] == [b"sealed"] * 2
    assert revoked.sealed == credential().deleted(CHANGE).sealed == b""
    assert revoked.fingerprint == credential().fingerprint


@pytest.mark.parametrize(
    ("one", "told"),
    [
        pytest.param(credential(), [TokenStatus.INACTIVE], id="created"),
        pytest.param(moved(credential(), TokenStatus.ACTIVE), [TokenStatus.ACTIVE], id="activated"),
        pytest.param(
            moved(credential(), TokenStatus.ACTIVE, TokenStatus.SUSPENDED),
            ["revoked", TokenStatus.SUSPENDED],
            id="suspended",
        ),
        pytest.param(
            moved(credential(), TokenStatus.REVOKED), ["revoked", TokenStatus.REVOKED], id="revoked"
        ),
        pytest.param(credential().deleted(CHANGE), ["revoked", None], id="deleted"),
        pytest.param(credential(phase=Phase.UNCONFIRMED), [], id="claimed"),
    ],
)
def test_what_is_told_names_the_device_and_never_its_secret(one: SenmlCredential, told: list[object]) -> None:
    events = [announcement.event for announcement in one.announcements()]

    said: list[object] = []
    for event in events:
        assert isinstance(event, SenmlCredentialRevokedEvent | SenmlCredentialStatusChangedEvent)
        assert (event.dvn_uuid, event.endpoint_id, event.credential_ids) == (DEVICE, ENDPOINT, ("id-1",))
        assert b"sealed" not in msgspec.msgpack.encode(event)
        said.append("revoked" if isinstance(event, SenmlCredentialRevokedEvent) else event.status)
    assert said == told


def test_a_device_belongs_to_one_endpoint_even_while_it_is_only_being_claimed() -> None:
    others = [credential(endpoint="tree-2", phase=phase) for phase in (Phase.LIVE, Phase.UNCONFIRMED)]

    for other in others:
        with pytest.raises(ConflictError, match="another endpoint"):
            check_device([other], ENDPOINT)
    check_device([others[0].deleted(CHANGE), credential()], ENDPOINT)


def test_a_device_has_eight_secrets_that_are_not_revoked() -> None:
    revoked = [moved(credential(number), TokenStatus.REVOKED) for number in range(20)]
    seven = [credential(number) for number in range(7)]

    check_device([*revoked, *seven], ENDPOINT)
    with pytest.raises(ConflictError, match="8 secrets"):
        check_device([*revoked, *seven, moved(credential(9), TokenStatus.ACTIVE)], ENDPOINT)


def test_why_a_secret_cannot_be_given_twice_is_told() -> None:
    assert "already" in refuse_second(credential()).reason_phrase
    assert "revoked" in refuse_second(moved(credential(), TokenStatus.REVOKED)).reason_phrase


@given(st.text("abcXYZ019", min_size=30, max_size=100), st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES))
def test_a_sealed_secret_is_opened_by_the_same_key_for_the_same_record(secret: str, nonce: bytes) -> None:
    sealed = SecretBox(SECRETS_KEY).seal(secret, dvn_uuid=DEVICE, credential_id="id-1", nonce=nonce)

    assert secret.encode() not in sealed
    assert SecretBox(SECRETS_KEY).open(sealed, dvn_uuid=DEVICE, credential_id="id-1") == secret


def test_a_sealed_secret_cannot_be_opened_elsewhere_or_when_it_was_touched() -> None:
    box = SecretBox(SECRETS_KEY)
    sealed = box.seal(SECRET, dvn_uuid=DEVICE, credential_id="id-1", nonce=NONCE)
    other = DvnUuid(DEVICE.replace("3", "4"))

    for opener, bytes_, dvn_uuid, credential_id in (
        (box, sealed, other, "id-1"),
        (box, sealed, DEVICE, "id-2"),
        (box, sealed[:-1] + bytes([sealed[-1] ^ 1]), DEVICE, "id-1"),
        (box, bytes(NONCE_BYTES - 1) + b"\x01" + sealed[NONCE_BYTES:], DEVICE, "id-1"),
        (box, sealed[:5], DEVICE, "id-1"),
        (box, b"", DEVICE, "id-1"),
        (SecretBox("another key of the tests, as long as it"), sealed, DEVICE, "id-1"),
    ):
        with pytest.raises(UnreadableSecretError):
            opener.open(bytes_, dvn_uuid=dvn_uuid, credential_id=credential_id)


def test_secrets_are_in_no_representation() -> None:
    shown = [
        repr(DeviceSecret(credential_id="id-1", secret=SECRET, status=TokenStatus.ACTIVE)),
        repr(NewSenmlCredential(endpoint_id=ENDPOINT, dvn_uuid=DEVICE, shared_secret=SECRET)),
        repr(credential()),
    ]

    assert not [text for text in shown if SECRET in text or "sealed" in text]
