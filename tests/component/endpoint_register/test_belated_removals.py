"""A removal that slept in one replica while another finished it, with the real credential-manager."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from libs.contracts import credentials as cm
from libs.contracts import endpoints as epr
from libs.contracts.ecap import VALIDATE_TOKEN, EndpointTokenValidationRequest
from libs.contracts.errors import GroveError
from libs.contracts.ids import EndpointId
from services.endpoint_register.domain.endpoint import Endpoint
from services.endpoint_register.ports import Credentials, Parts
from services.endpoint_register.usecases.endpoints import create_endpoint
from tests.component.credential_manager.world import running_replica
from tests.component.endpoint_register.conftest import Client, NewReplica
from tests.support.servers import NatsServer, StoreServer

TREE = EndpointId("tree-17")


@pytest.fixture
async def credentials(nats: NatsServer, store_server: StoreServer, client: Client) -> AsyncIterator[None]:
    """The real service, in place of the stand-in that replicas are started beside."""
    async with running_replica(nats, store_server):
        yield


@dataclass
class Sleeping:
    """Falls asleep before it deletes tokens, until it is woken."""

    awake: Credentials
    asleep: asyncio.Event = field(default_factory=asyncio.Event)
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    async def store_token(self, token: str, *, endpoint: Endpoint) -> None:
        await self.awake.store_token(token, endpoint=endpoint)

    async def store_tokens(self, tokens: Sequence[tuple[Endpoint, str]]) -> list[GroveError | None]:
        return await self.awake.store_tokens(tokens)

    async def delete_tokens(self, endpoint: Endpoint) -> None:
        self.asleep.set()
        await self.woken.wait()
        await self.awake.delete_tokens(endpoint)


class Lost:
    """Stores a token, and its answer gets lost."""

    def __init__(self, awake: Credentials) -> None:
        self._awake = awake

    async def store_token(self, token: str, *, endpoint: Endpoint) -> None:
        await self._awake.store_token(token, endpoint=endpoint)
        raise GroveError("the answer got lost")

    async def store_tokens(self, tokens: Sequence[tuple[Endpoint, str]]) -> list[GroveError | None]:
        raise AssertionError

    async def delete_tokens(self, endpoint: Endpoint) -> None:
        raise AssertionError


async def begin_to_remove(client: Client, parts: Parts, version: str) -> None:
    """Leave a READY endpoint hidden, as a replica does that dies before it deletes the tokens."""
    await client.new_endpoint(version, endpoint_id=TREE, endpoint_token=f"sn {version}")
    await parts.changing.change(TREE, lambda before: before.deleted(correlation_id=""))


async def begin_to_create(client: Client, parts: Parts, version: str) -> None:
    """Leave a creation that nobody finishes."""
    body = epr.NewEndpoint(
        app_version=epr.AppVersionRef(version), endpoint_id=TREE, endpoint_token=f"sn {version}"
    )
    with pytest.raises(GroveError):
        await create_endpoint(
            epr.CreateEndpoint(body=body), parts=replace(parts, credentials=Lost(parts.credentials))
        )


@pytest.mark.parametrize(
    "begin", [pytest.param(begin_to_remove, id="deleting"), pytest.param(begin_to_create, id="discarding")]
)
async def test_tokens_of_the_next_endpoint_survive_a_sweeper_that_slept(
    client: Client, start: NewReplica, begin: Callable[[Client, Parts, str], Awaitable[None]]
) -> None:
    replica, other = await start(), await start()
    version = await client.new_version()
    await begin(client, replica.parts, version)
    sleeping = Sleeping(replica.parts.credentials)
    sleeper = replace(replica, parts=replace(replica.parts, credentials=sleeping)).sweeper()
    async with asyncio.TaskGroup() as group:
        group.create_task(sleeper.sweep(), name="the sweep that sleeps")
        await sleeping.asleep.wait()
        await other.sweeper().sweep()
        gone = await other.parts.endpoints.find(TREE)
        await client.new_endpoint(version, endpoint_id=TREE, endpoint_token=f"sn {version}")
        body = cm.NewToken(application_name=version.rpartition("-")[0])
        by_operator = await client.ask(cm.CREATE_TOKEN, cm.CreateToken(endpoint_id=TREE, body=body))

        sleeping.woken.set()

    assert gone is None
    for token in (f"sn {version}", by_operator.body.token):
        request = EndpointTokenValidationRequest(app_name=version.rpartition("-")[0], token=token)
        assert (await client.ask(VALIDATE_TOKEN, request)).endpoint_id == TREE
    await client.ask(epr.DELETE_ENDPOINT, epr.DeleteEndpoint(endpoint_id=TREE))
    for token in (f"sn {version}", by_operator.body.token):
        request = EndpointTokenValidationRequest(app_name=version.rpartition("-")[0], token=token)
        assert (await client.refused(VALIDATE_TOKEN, request)).status_code == 401
