"""API keys over the bus, the admin key from start to start, and starts that are refused."""

import pytest

from libs.contracts.api_keys import (
    CHECK_API_KEY,
    CREATE_API_KEY,
    LIST_API_KEYS,
    REVOKE_API_KEY,
    ApiKeyRevokedEvent,
    CheckApiKey,
    CreateApiKey,
    ListApiKeys,
    NewApiKey,
    RevokeApiKey,
    Scope,
)
from libs.contracts.errors import ConflictError, UnauthorizedError
from libs.process import Process, ProcessSettings, serve
from services.credential_manager import app
from tests.component.credential_manager.world import (
    SECRETS_KEY,
    Caller,
    EndpointRegister,
    Events,
    Replica,
    running_replica,
)
from tests.support.servers import NatsServer, StoreServer
from tests.support.waiting import eventually


async def revoked(events: Events, key_id: str) -> None:
    async def told() -> bool:
        return any(isinstance(one, ApiKeyRevokedEvent) and one.api_key_id == key_id for one in events.heard)

    await eventually(told, what="the revocation is told")


async def test_a_key_is_created_listed_checked_and_revoked(
    service: Replica, caller: Caller, events: Events
) -> None:
    new = NewApiKey(name="irrigation", scope=Scope.WRITE, applications=("olives",))
    reply = await caller.ask(CREATE_API_KEY, CreateApiKey(body=new))

    assert reply.status_code == 201
    assert reply.body.key.startswith("grove_")
    assert len(reply.body.key) == 46
    checked = (await caller.ask(CHECK_API_KEY, CheckApiKey(key=reply.body.key))).body
    assert (checked.api_key_id, checked.scope, checked.applications) == (
        reply.body.api_key_id,
        Scope.WRITE,
        ("olives",),
    )
    page = (await caller.ask(LIST_API_KEYS, ListApiKeys(limit=1000))).body
    assert checked in page.content
    revoke = RevokeApiKey(api_key_id=checked.api_key_id)
    assert (await caller.ask(REVOKE_API_KEY, revoke)).status_code == 204
    await revoked(events, checked.api_key_id)
    with pytest.raises(UnauthorizedError):
        await caller.ask(CHECK_API_KEY, CheckApiKey(key=reply.body.key))


async def test_the_admin_key_follows_its_variable(
    nats: NatsServer, store: StoreServer, register: EndpointRegister, caller: Caller, events: Events
) -> None:
    async with running_replica(nats, store, GROVE_ADMIN_KEY="first admin key of all"):
        first = (await caller.ask(CHECK_API_KEY, CheckApiKey(key="first admin key of all"))).body
        with pytest.raises(ConflictError, match="GROVE_ADMIN_KEY"):
            await caller.ask(REVOKE_API_KEY, RevokeApiKey(api_key_id=first.api_key_id))
    async with running_replica(nats, store, GROVE_ADMIN_KEY="second admin key of all"):
        second = (await caller.ask(CHECK_API_KEY, CheckApiKey(key="second admin key of all"))).body
        await revoked(events, first.api_key_id)
        with pytest.raises(UnauthorizedError):
            await caller.ask(CHECK_API_KEY, CheckApiKey(key="first admin key of all"))
    async with running_replica(nats, store):
        still = (await caller.ask(CHECK_API_KEY, CheckApiKey(key="second admin key of all"))).body

    assert (first.name, first.scope, first.applications) == ("admin", Scope.ADMIN, None)
    assert still == second


@pytest.mark.parametrize(
    ("secrets_key", "environ", "variable"),
    [
        (None, {}, "GROVE_SECRETS_KEY"),
        ("short secret", {}, "GROVE_SECRETS_KEY"),
        (SECRETS_KEY, {"GROVE_ADMIN_KEY": "short secret"}, "GROVE_ADMIN_KEY"),
    ],
    ids=["no-secrets-key", "short-secrets-key", "short-admin-key"],
)
async def test_a_start_with_weak_secrets_is_refused_in_one_line_that_does_not_show_them(
    secrets_key: str | None,
    environ: dict[str, str],
    variable: str,
    nats: NatsServer,
    store: StoreServer,
    capfd: pytest.CaptureFixture[str],
) -> None:
    settings = ProcessSettings(
        nats_url=nats.url, nats_durability="synced", mongodb=store.url, secrets=secrets_key
    )

    exit_code = await serve(Process("credential-manager", settings=settings, environ=environ), app.build)

    assert exit_code == 2
    told = capfd.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert variable in told[0]
    assert "short secret" not in told[0]


async def test_readiness_asks_nats_and_the_store(service: Replica) -> None:
    readiness = await service.health.readiness()

    assert (readiness.status, readiness.checks) == ("ready", {"mongodb": "ok", "nats": "ok"})
