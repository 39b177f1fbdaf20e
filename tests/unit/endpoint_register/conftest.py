from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from libs.contracts.applications import CreateApplication, CreateVersion, NewApplication, NewAppVersion
from libs.contracts.endpoints import AppVersionRef, CreateEndpoint, NewEndpoint
from services.endpoint_register.domain.endpoint import Endpoint
from services.endpoint_register.usecases.applications import create_application
from services.endpoint_register.usecases.endpoints import create_endpoint
from services.endpoint_register.usecases.versions import create_version
from tests.support.rest import Json
from tests.unit.endpoint_register.fakes import World

NewTwin = Callable[..., Awaitable[Endpoint]]


@pytest.fixture
async def world() -> World:
    """A world with application ``olives`` and its version ``olives-v1``."""
    world = World()
    await create_application(CreateApplication(body=NewApplication(name="olives")), parts=world.parts)
    await create_version(
        CreateVersion(application_name="olives", body=NewAppVersion(name_suffix="v1")), parts=world.parts
    )
    world.events.forget()
    return world


@pytest.fixture
def new_twin(world: World) -> NewTwin:
    """Creates endpoints at ``olives-v1``."""

    async def create(metadata: dict[str, Any] | None = None, **fields: Json) -> Endpoint:
        body = NewEndpoint(app_version=AppVersionRef("olives-v1"), metadata=metadata or {}, **fields)
        endpoint, _ = await create_endpoint(CreateEndpoint(body=body), parts=world.parts)
        return endpoint

    return create


@pytest.fixture
async def grove(world: World, new_twin: NewTwin) -> World:
    """Three trees of ``olives`` (one at ``v2``) and two of ``figs``, made in the order d b c a e."""
    await create_version(
        CreateVersion(application_name="olives", body=NewAppVersion(name_suffix="v2")), parts=world.parts
    )
    await create_application(CreateApplication(body=NewApplication(name="figs")), parts=world.parts)
    await create_version(
        CreateVersion(application_name="figs", body=NewAppVersion(name_suffix="v1")), parts=world.parts
    )
    for name, version in (
        ("d", "olives-v1"),
        ("b", "figs-v1"),
        ("c", "olives-v2"),
        ("a", "olives-v1"),
        ("e", "figs-v1"),
    ):
        body = NewEndpoint(app_version=AppVersionRef(version), endpoint_id=name, metadata={f"key_{name}": 1})
        await create_endpoint(CreateEndpoint(body=body), parts=world.parts)
        world.clock.pass_s(1)
    return world
