"""A write whose answer got lost has still happened; nobody may pay for it with a token."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from libs.contracts.endpoints import AppVersionRef, CreateEndpoint, NewEndpoint
from libs.contracts.errors import UnavailableError
from libs.contracts.ids import EndpointId
from services.endpoint_register.domain.endpoint import Endpoint, EndpointState
from services.endpoint_register.usecases.endpoints import create_endpoint
from tests.unit.endpoint_register.endpoint_fakes import InMemoryEndpointRepository
from tests.unit.endpoint_register.fakes import World


class LosingAnswers(InMemoryEndpointRepository):
    """Replaces, and then says that the store is away."""

    async def replace(self, before: Endpoint, after: Endpoint) -> bool:
        await super().replace(before, after)
        raise UnavailableError("the answer got lost")


async def test_creation_whose_last_answer_is_lost_is_a_success(
    world: World, new_twin: Callable[[], Awaitable[Endpoint]]
) -> None:
    twin = await new_twin()
    endpoints = LosingAnswers(clock=world.clock)
    body = NewEndpoint(
        app_version=AppVersionRef(name=twin.version), endpoint_id="given-1", endpoint_token="sn-1"
    )

    made, token = await create_endpoint(
        CreateEndpoint(body=body), parts=replace(world.parts, endpoints=endpoints)
    )

    found = await endpoints.find(EndpointId("given-1"))
    assert (made.id, token) == ("given-1", "sn-1")
    assert found is not None
    assert found.state is EndpointState.READY
