"""SenML credentials over the bus: from their creation to the end of their endpoint, and what stays secret."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from libs.bus import Bus
from libs.bus.device_secrets import DeviceSecrets
from libs.contracts.credentials import DELETE_ENDPOINT_TOKENS, DeleteEndpointTokens, TokenStatusChange
from libs.contracts.errors import GroveError, NotFoundError
from libs.contracts.messages import Event
from libs.contracts.senml import check_dvn_uuid, message_token
from libs.contracts.senml_credentials import (
    ACTIVATE_DEVICE_SECRET,
    CREATE_SENML_CREDENTIAL,
    DEVICE_SECRETS,
    GET_SENML_CREDENTIAL,
    LIST_SENML_CREDENTIALS,
    SENML_CREDENTIAL_REVOKED,
    SENML_CREDENTIAL_STATUS_CHANGED,
    SET_SENML_CREDENTIAL_STATUS,
    ActivateDeviceSecret,
    CreateSenmlCredential,
    DeviceSecretsReply,
    DeviceSecretsRequest,
    GetSenmlCredential,
    ListSenmlCredentials,
    NewSenmlCredential,
    SenmlCredential,
    SenmlCredentialStatusChangedEvent,
    SetSenmlCredentialStatus,
)
from libs.contracts.tokens import TokenStatus
from libs.store import Store
from tests.component.credential_manager.world import (
    APPLICATION,
    Caller,
    EndpointRegister,
    Replica,
    own_process,
    running_replica,
)
from tests.support.servers import NatsServer, StoreServer
from tests.support.waiting import eventually


def new_secret() -> str:
    return uuid.uuid4().hex


async def create(caller: Caller, endpoint: str, device: str, secret: str) -> SenmlCredential:
    body = NewSenmlCredential(endpoint_id=endpoint, dvn_uuid=device, shared_secret=secret)
    return (await caller.ask(CREATE_SENML_CREDENTIAL, CreateSenmlCredential(body=body))).body


async def look_up(caller: Caller, device: str) -> DeviceSecretsReply:
    return await caller.ask(DEVICE_SECRETS, DeviceSecretsRequest(dvn_uuid=device))


async def secrets_of(caller: Caller, device: str) -> list[str]:
    return [one.secret for one in (await look_up(caller, device)).secrets]


async def set_status(caller: Caller, credential: SenmlCredential, status: TokenStatus) -> int:
    cmd = SetSenmlCredentialStatus(
        credential_id=credential.credential_id, body=TokenStatusChange(status=status)
    )
    return (await caller.ask(SET_SENML_CREDENTIAL_STATUS, cmd)).status_code


async def outcome(asked: Awaitable[object]) -> int:
    try:
        await asked
    except GroveError as error:
        return error.status_code
    return 200


class Told:
    """What was said about SenML credentials."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def listen(self, caller: Caller) -> "Told":
        for kind in (SENML_CREDENTIAL_REVOKED, SENML_CREDENTIAL_STATUS_CHANGED):
            await caller.bus.listen(kind.subject(caller.bus.subjects), kind.event, self.events.append)
        await caller.bus.ping()
        return self

    async def until(self, device: str, status: TokenStatus | None) -> None:
        async def told() -> bool:
            return any(
                isinstance(event, SenmlCredentialStatusChangedEvent)
                and (event.dvn_uuid, event.status) == (device, status)
                for event in self.events
            )

        await eventually(told, what=f"{status} is told")


async def test_a_device_is_created_rotated_suspended_and_revoked(
    service: Replica, caller: Caller, register: EndpointRegister
) -> None:
    told = await Told().listen(caller)
    endpoint, device = register.new_endpoint(), str(uuid.uuid4())
    first, second = new_secret(), new_secret()

    created = await create(caller, endpoint, device, first)
    found = await look_up(caller, device)
    successor = await create(caller, endpoint, device, second)
    cmd = ActivateDeviceSecret(dvn_uuid=device, credential_id=successor.credential_id)
    await caller.ask(ACTIVATE_DEVICE_SECRET, cmd)

    assert (created.status, created.application_name) == (TokenStatus.INACTIVE, APPLICATION)
    assert (found.endpoint_id, found.application_name, found.app_version_name) == (
        endpoint,
        APPLICATION,
        f"{APPLICATION}-v1",
    )
    await told.until(device, TokenStatus.ACTIVE)
    assert [(one.secret, one.status) for one in (await look_up(caller, device)).secrets] == [
        (first, TokenStatus.INACTIVE),
        (second, TokenStatus.ACTIVE),
    ]
    assert await set_status(caller, created, TokenStatus.REVOKED) == 204
    assert await secrets_of(caller, device) == [second]
    assert await set_status(caller, successor, TokenStatus.SUSPENDED) == 204
    assert await secrets_of(caller, device) == []
    await told.until(device, TokenStatus.SUSPENDED)
    listed = await caller.ask(LIST_SENML_CREDENTIALS, ListSenmlCredentials(endpoint_id=endpoint))
    assert [one.status for one in listed.body.content] == [TokenStatus.SUSPENDED, TokenStatus.REVOKED]


async def test_the_end_of_an_endpoint_is_the_end_of_its_devices(
    service: Replica, caller: Caller, register: EndpointRegister
) -> None:
    told = await Told().listen(caller)
    endpoint, device = register.new_endpoint(), str(uuid.uuid4())
    await create(caller, endpoint, device, new_secret())
    del register.applications[endpoint]

    for _ in range(2):
        await caller.ask(DELETE_ENDPOINT_TOKENS, DeleteEndpointTokens(endpoint_id=endpoint))

    with pytest.raises(NotFoundError):
        await look_up(caller, device)
    await told.until(device, None)
    again = await create(caller, register.new_endpoint(), device, new_secret())
    assert again.status is TokenStatus.INACTIVE


async def test_an_endpoint_that_goes_during_the_creation_keeps_no_device(
    service: Replica, caller: Caller, register: EndpointRegister
) -> None:
    endpoint, device = register.new_endpoint(), str(uuid.uuid4())
    register.vanish_after = register.asked + 1

    with pytest.raises(NotFoundError):
        await create(caller, endpoint, device, new_secret())

    register.vanish_after = None
    with pytest.raises(NotFoundError):
        await look_up(caller, device)


async def test_of_many_endpoints_that_want_one_device_on_two_replicas_one_has_it_at_most(
    service: Replica, nats: NatsServer, store: StoreServer, caller: Caller, register: EndpointRegister
) -> None:
    device = str(uuid.uuid4())
    endpoints = [register.new_endpoint() for _ in range(10)]

    async with running_replica(nats, store):
        wanted = [outcome(create(caller, endpoint, device, new_secret())) for endpoint in endpoints]
        answers = Counter(await asyncio.gather(*wanted))
        if not answers[200]:
            await create(caller, endpoints[0], device, new_secret())

    assert answers.keys() <= {200, 409}
    assert answers[200] <= 1
    assert (await look_up(caller, device)).endpoint_id in endpoints


async def test_concurrent_first_uses_on_two_replicas_all_succeed(
    service: Replica, nats: NatsServer, store: StoreServer, caller: Caller, register: EndpointRegister
) -> None:
    device = str(uuid.uuid4())
    created = await create(caller, register.new_endpoint(), device, new_secret())
    cmd = ActivateDeviceSecret(dvn_uuid=device, credential_id=created.credential_id)

    async with running_replica(nats, store):
        uses = [outcome(caller.ask(ACTIVATE_DEVICE_SECRET, cmd)) for _ in range(50)]
        assert Counter(await asyncio.gather(*uses)) == {200: 50}

    read = await caller.ask(GET_SENML_CREDENTIAL, GetSenmlCredential(credential_id=created.credential_id))
    assert read.body is not None
    assert read.body.status is TokenStatus.ACTIVE


@pytest.mark.parametrize("transport", ["http-transport", "mqtt-transport"])
async def test_a_transport_verifies_with_its_own_user_and_feels_every_change_at_once(
    service: Replica, nats: NatsServer, caller: Caller, register: EndpointRegister, transport: str
) -> None:
    bus = await Bus.connect(url=nats.url_for(transport), service=transport, replica=f"{transport}-1")
    devices = DeviceSecrets(bus)
    await devices.start()
    await bus.ping()
    device, secret, second = check_dvn_uuid(str(uuid.uuid4())), new_secret(), new_secret()

    async def answer(given: str) -> int:
        return await outcome(devices.verify(device, b"[]", message_token(b"[]", given)))

    async def until(given: str, status: int) -> None:
        async def answered() -> bool:
            return await answer(given) == status

        await eventually(answered, what=f"{status}", deadline_s=2)

    with capture_logs() as logs:
        assert await answer(secret) == 404
        created = await create(caller, register.new_endpoint(), device, secret)
        await until(secret, 200)
        await create(caller, created.endpoint_id, device, second)
        await until(second, 200)
        for status, expected in (
            (TokenStatus.SUSPENDED, 403),
            (TokenStatus.ACTIVE, 200),
            (TokenStatus.REVOKED, 403),
        ):
            await set_status(caller, created, status)
            await until(secret, expected)
        assert await answer(second) == 200
        assert await answer("") == 403

    listed = await caller.ask(LIST_SENML_CREDENTIALS, ListSenmlCredentials(endpoint_id=created.endpoint_id))
    assert [one.status for one in listed.body.content] == [TokenStatus.ACTIVE, TokenStatus.REVOKED]
    assert [line for line in logs if "denied" in line["event"]] == []
    assert secret not in repr(logs)
    await bus.close()


async def test_a_secret_is_in_no_log_event_or_document(
    nats: NatsServer, store: StoreServer, caller: Caller, register: EndpointRegister, tmp_path: Path
) -> None:
    told = await Told().listen(caller)
    device, secret = str(uuid.uuid4()), new_secret()
    async with own_process(nats, store, tmp_path, GROVE_LOG_LEVEL="debug"):
        created = await create(caller, register.new_endpoint(), device, secret)
        refused = await outcome(create(caller, register.new_endpoint(), device, secret))
        malformed = await outcome(create(caller, created.endpoint_id, device, f"{secret}!"))
        assert await secrets_of(caller, device) == [secret]
        database = Store.open(store.url, database="credential_manager", app_name="test")
        document = await database.collection("senmlCredentials").find_one({"_id": created.credential_id})
        await database.close()
        await set_status(caller, created, TokenStatus.REVOKED)
        await told.until(device, TokenStatus.REVOKED)

    log = (tmp_path / "service.log").read_text()
    assert (refused, malformed) == (409, 400)
    assert "device-secrets" in log
    assert document is not None
    assert secret not in log + repr(told.events) + repr(document) + repr(created)
