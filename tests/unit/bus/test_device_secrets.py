"""Who sent a SenML pack: what is remembered, for how long, and what takes it back (rule 17)."""

import asyncio
import gc
from collections.abc import Callable

import pytest

from libs.bus.cache import MAX_REPEATS
from libs.bus.device_secrets import ERASED_EVERY_S, USED_FOR_S, DeviceSecrets, VerifiedDevice
from libs.contracts.errors import ForbiddenError, GroveError, NotFoundError, UnavailableError
from libs.contracts.lifecycle import APP_VERSION_UPDATED, AppVersionUpdatedEvent
from libs.contracts.senml import DvnUuid, message_token
from libs.contracts.senml_credentials import (
    SENML_CREDENTIAL_REVOKED,
    SENML_CREDENTIAL_STATUS_CHANGED,
    DeviceSecret,
    DeviceSecretsReply,
    SenmlCredentialRevokedEvent,
    SenmlCredentialStatusChangedEvent,
)
from libs.contracts.tokens import TokenStatus
from tests.support.waiting import eventually
from tests.unit.bus.speakers import InMemoryBus, settle

DEVICE = DvnUuid("3f0e1c52-7c3f-4a0e-9d3b-2b0c1a4f5e66")
OTHER = DvnUuid("00000000-0000-4000-8000-000000000000")
SECRET, SECOND = "0123456789abcdefghijABCDEFGHIJ", "another-secret-of-the-same-device"
BODY = b'[{"bn":"urn:dev:DVNUUID:3f0e1c52-7c3f-4a0e-9d3b-2b0c1a4f5e66:"}]'
LOOKED_UP = "DeviceSecretsRequest"
FIRST_USE = "ActivateDeviceSecret"


def device(
    *secrets: str, status: TokenStatus = TokenStatus.ACTIVE, version: str = "grove-v1"
) -> DeviceSecretsReply:
    return DeviceSecretsReply(
        endpoint_id="ep",
        application_name="grove",
        app_version_name=version,
        secrets=tuple(
            DeviceSecret(credential_id=f"c{number}", secret=secret, status=status)
            for number, secret in enumerate(secrets)
        ),
    )


class Field:
    """A cache between a bus and a clock that the test moves."""

    def __init__(self, *, max_entries: int = 100, erased_every_s: float = ERASED_EVERY_S) -> None:
        self.bus = InMemoryBus()
        self.bus.devices[DEVICE] = device(SECRET)
        self.now = 0.0
        self.secrets = DeviceSecrets(
            self.bus, clock=lambda: self.now, max_entries=max_entries, erased_every_s=erased_every_s
        )

    async def verify(self, secret: str = SECRET, *, dvn_uuid: DvnUuid = DEVICE) -> VerifiedDevice:
        return await self.secrets.verify(dvn_uuid, BODY, message_token(BODY, secret))

    async def outcome(self, secret: str = SECRET) -> int:
        try:
            await self.verify(secret)
        except GroveError as error:
            return error.status_code
        return 200

    def change(self, status: TokenStatus | None, *, dvn_uuid: str = DEVICE) -> None:
        event = SenmlCredentialStatusChangedEvent(
            app_name="grove", endpoint_id="ep", dvn_uuid=dvn_uuid, credential_ids=("c0",), status=status
        )
        self.bus.tell(SENML_CREDENTIAL_STATUS_CHANGED, event)

    def revoke(self) -> None:
        event = SenmlCredentialRevokedEvent(
            app_name="grove", endpoint_id="ep", dvn_uuid=DEVICE, credential_ids=("c0",)
        )
        self.bus.tell(SENML_CREDENTIAL_REVOKED, event)

    def move_version(self, endpoint_id: str = "ep") -> None:
        event = AppVersionUpdatedEvent(
            app_version_name="grove-v2", previous_app_version_name="grove-v1", endpoint_id=endpoint_id
        )
        self.bus.tell(APP_VERSION_UPDATED, event)


@pytest.fixture
async def field() -> Field:
    field = Field()
    await field.secrets.start()
    return field


async def test_a_device_is_looked_up_once(field: Field) -> None:
    found = [await field.verify() for _ in range(3)]

    assert (
        found
        == [
            VerifiedDevice(
                dvn_uuid=DEVICE,
                endpoint_id="ep",
                application_name="grove",
                app_version_name="grove-v1",
                credential_id="c0",
            )
        ]
        * 3
    )
    assert field.bus.asked == {LOOKED_UP: 1}


async def test_any_accepted_secret_proves_the_device(field: Field) -> None:
    field.bus.devices[DEVICE] = device(SECRET, SECOND)

    assert [(await field.verify(one)).credential_id for one in (SECRET, SECOND)] == ["c0", "c1"]
    assert (await field.secrets.log_in(DEVICE, SECOND)).credential_id == "c1"


@pytest.mark.parametrize("secrets", [(SECRET,), ()], ids=["another secret", "suspended or revoked"])
async def test_what_is_not_verified_is_forbidden_and_says_no_secret(
    field: Field, secrets: tuple[str, ...]
) -> None:
    field.bus.devices[DEVICE] = device(*secrets)

    for ask in (field.verify(SECOND), field.secrets.log_in(DEVICE, SECOND), field.secrets.log_in(DEVICE, "")):
        with pytest.raises(ForbiddenError) as refused:
            await ask
        assert SECRET not in refused.value.reason_phrase
        assert SECOND not in refused.value.reason_phrase


async def test_a_token_of_another_body_is_forbidden(field: Field) -> None:
    with pytest.raises(ForbiddenError):
        await field.secrets.verify(DEVICE, BODY + b"\n", message_token(BODY, SECRET))


async def test_an_unknown_device_is_not_found_and_remembered_for_a_moment(field: Field) -> None:
    for _ in range(3):
        with pytest.raises(NotFoundError):
            await field.verify(dvn_uuid=OTHER)

    assert field.bus.asked[LOOKED_UP] == 1


@pytest.mark.parametrize(("age_s", "lookups"), [(USED_FOR_S - 1, 1), (USED_FOR_S, 2)])
async def test_secrets_are_used_for_less_than_a_minute(field: Field, age_s: float, lookups: int) -> None:
    await field.verify()
    field.now += age_s
    await field.verify()

    assert field.bus.asked[LOOKED_UP] == lookups


async def test_secrets_are_erased_within_a_minute_although_nobody_asks_again() -> None:
    secret = "erased" + "0" * 30
    field = Field(erased_every_s=0.01)
    field.bus.devices[DEVICE] = device(secret)
    await field.secrets.start()
    await field.verify(secret)
    field.bus.devices.clear()

    field.now += USED_FOR_S - 1
    await asyncio.sleep(0.05)
    before = kept_secrets(secret)
    field.now += 1
    await eventually(lambda: erased(secret), what="the secret is erased")

    assert before == 1
    assert USED_FOR_S + ERASED_EVERY_S <= 60


async def erased(secret: str) -> bool:
    return kept_secrets(secret) == 0


def kept_secrets(secret: str) -> int:
    """How many objects in memory hold it as a device's secret."""
    gc.collect()
    return sum(
        isinstance(one, DeviceSecretsReply) and secret in (each.secret for each in one.secrets)
        for one in gc.get_objects()
    )


async def test_memory_is_bounded() -> None:
    field = Field(max_entries=2)
    await field.secrets.start()
    devices = [DvnUuid(f"{number:08}{OTHER[8:]}") for number in range(3)]
    for one in devices:
        field.bus.devices[one] = device(SECRET)
        await field.verify(dvn_uuid=one)

    await field.verify(dvn_uuid=devices[0])

    assert field.bus.asked[LOOKED_UP] == 4


# --- what takes answers back ------------------------------------------------------------------------


def revoked(field: Field) -> None:
    field.revoke()


def suspended(field: Field) -> None:
    field.change(TokenStatus.SUSPENDED)


def deleted(field: Field) -> None:
    field.change(None)


def cut(field: Field) -> None:
    field.bus.cut()


TAKES_BACK = [pytest.param(event, id=event.__name__) for event in (revoked, suspended, deleted, cut)]
Tell = Callable[[Field], None]


@pytest.mark.parametrize("tell", TAKES_BACK)
async def test_an_answer_is_taken_back_at_once(field: Field, tell: Tell) -> None:
    await field.verify()
    epoch = field.secrets.epoch
    field.bus.devices[DEVICE] = device()

    tell(field)

    assert await field.outcome() == 403
    assert field.secrets.epoch != epoch


@pytest.mark.parametrize("tell", TAKES_BACK)
async def test_a_lookup_on_its_way_is_discarded_and_repeated(field: Field, tell: Tell) -> None:
    field.bus.release.clear()

    async with asyncio.TaskGroup() as tasks:
        call = tasks.create_task(field.outcome())
        await settle()
        field.bus.devices[DEVICE] = device()
        tell(field)
        joined = tasks.create_task(field.outcome())
        await settle()
        field.bus.release.set()

    assert call.result() == joined.result() == 403


async def test_events_of_other_devices_disturb_nothing(field: Field) -> None:
    field.bus.release.clear()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(field.verify())
        await settle()
        field.change(TokenStatus.SUSPENDED, dvn_uuid=OTHER)
        field.move_version("another")
        field.bus.release.set()
    await field.verify()

    assert field.bus.asked[LOOKED_UP] == 1


@pytest.mark.parametrize("before", [NotFoundError(), device()], ids=["unknown", "suspended"])
@pytest.mark.parametrize("status", [TokenStatus.INACTIVE, TokenStatus.ACTIVE], ids=["added", "reactivated"])
async def test_what_became_accepted_is_accepted_at_once(
    field: Field, before: DeviceSecretsReply | GroveError, status: TokenStatus
) -> None:
    field.bus.devices[DEVICE] = before
    refused = await field.outcome()
    field.bus.devices[DEVICE] = device(SECRET)

    field.change(status)

    assert refused in {403, 404}
    assert await field.outcome() == 200


async def test_a_move_to_another_version_is_felt_at_once(field: Field) -> None:
    await field.verify()
    field.bus.devices[DEVICE] = device(SECRET, version="grove-v2")

    field.move_version()

    assert (await field.verify()).app_version_name == "grove-v2"


async def test_a_lookup_that_a_move_overtakes_is_repeated(field: Field) -> None:
    moves: list[None] = []

    def move_once() -> None:
        if not moves:
            moves.append(None)
            field.bus.devices[DEVICE] = device(SECRET, version="grove-v2")
            field.move_version()

    field.bus.meanwhile = move_once

    assert (await field.verify()).app_version_name == "grove-v2"


@pytest.mark.parametrize("tell", [revoked, Field.move_version], ids=["revocations", "moves"])
async def test_endless_events_end_in_503_not_in_a_stale_answer(field: Field, tell: Tell) -> None:
    field.bus.meanwhile = lambda: tell(field)

    with pytest.raises(UnavailableError):
        await field.verify()

    assert field.bus.asked[LOOKED_UP] <= MAX_REPEATS + 1


async def test_a_failure_is_passed_on_and_not_remembered(field: Field) -> None:
    field.bus.devices[DEVICE] = UnavailableError()

    answers = [await field.outcome() for _ in range(2)]
    field.bus.devices[DEVICE] = device(SECRET)

    assert (answers, await field.outcome()) == ([503, 503], 200)


async def test_who_holds_connections_is_told_of_revocations_after_the_cache_forgot(field: Field) -> None:
    heard: list[str] = []
    field.secrets.on_revoked(lambda event: heard.append(event.dvn_uuid))
    await field.verify()

    field.revoke()

    assert heard == [DEVICE]


# --- first use --------------------------------------------------------------------------------------


async def test_the_first_use_is_told_once_before_anything_is_accepted(field: Field) -> None:
    field.bus.devices[DEVICE] = device(SECRET, status=TokenStatus.INACTIVE)

    found = await asyncio.gather(*(field.verify() for _ in range(20)))
    await field.verify()

    assert {one.credential_id for one in found} == {"c0"}
    assert field.bus.asked == {LOOKED_UP: 1, FIRST_USE: 1}


async def test_a_wrong_token_is_no_first_use(field: Field) -> None:
    field.bus.devices[DEVICE] = device(SECRET, status=TokenStatus.INACTIVE)

    assert await field.outcome(SECOND) == 403
    assert FIRST_USE not in field.bus.asked


@pytest.mark.parametrize("error", [ForbiddenError(), NotFoundError()], ids=["revoked", "deleted"])
async def test_a_secret_that_was_taken_away_before_its_first_use_is_forbidden(
    field: Field, error: GroveError
) -> None:
    field.bus.devices[DEVICE] = device(SECRET, status=TokenStatus.INACTIVE)
    field.bus.first_use = error

    assert await field.outcome() == 403
    field.bus.devices[DEVICE] = NotFoundError()
    assert await field.outcome() == 404


async def test_a_first_use_that_cannot_be_told_is_unavailable_and_tried_again(field: Field) -> None:
    field.bus.devices[DEVICE] = device(SECRET, status=TokenStatus.INACTIVE)
    told, field.bus.first_use = field.bus.first_use, UnavailableError()

    assert await field.outcome() == 503
    field.bus.first_use = told
    assert await field.outcome() == 200


async def test_a_revocation_takes_the_first_use_back_as_well(field: Field) -> None:
    field.bus.devices[DEVICE] = device(SECRET, status=TokenStatus.INACTIVE)
    await field.verify()
    field.bus.first_use = ForbiddenError()

    field.revoke()

    assert await field.outcome() == 403
