"""Reading and moving endpoints; limits of API keys."""

from dataclasses import replace

import pytest

from libs.contracts.applications import (
    CreateVersion,
    DeleteVersion,
    NewAppVersion,
)
from libs.contracts.endpoints import (
    ApplicationMetadataKeys,
    AppVersionRef,
    DeleteMetadataKey,
    GetEndpoint,
    GetMetadata,
    GetMetadataKey,
    ListEndpoints,
    ListMetadataKeys,
    PatchMetadata,
    PutEndpointVersion,
    PutMetadata,
)
from libs.contracts.errors import (
    BadRequestError,
    ConflictError,
    ForbiddenError,
    GroveError,
    NotFoundError,
    UnprocessableError,
)
from libs.contracts.ids import ApplicationName, AppVersionName, EndpointId
from libs.contracts.lifecycle import AppVersionUpdatedEvent
from services.endpoint_register.domain.endpoint import Endpoint
from services.endpoint_register.usecases import endpoints, listing, metadata
from services.endpoint_register.usecases.versions import create_version, delete_version
from tests.unit.endpoint_register.conftest import NewTwin
from tests.unit.endpoint_register.fakes import World

FIGS_ONLY = ("figs",)


async def test_metadata_are_there_only_when_included(grove: World) -> None:
    bare = await endpoints.get_endpoint(GetEndpoint(endpoint_id="a"), parts=grove.parts)
    full = await endpoints.get_endpoint(
        GetEndpoint(endpoint_id="a", include=("metadata",)), parts=grove.parts
    )

    assert (bare.metadata, full.metadata) == ({}, {"key_a": 1})


async def test_an_endpoint_moves_within_its_application(grove: World) -> None:
    moved = await endpoints.put_endpoint_version(
        PutEndpointVersion(endpoint_id="a", body=AppVersionRef("olives-v2")), parts=grove.parts
    )

    event = moved.outbox[-1].event()
    assert isinstance(event, AppVersionUpdatedEvent)
    assert (event.previous_app_version_name, event.app_version_name) == ("olives-v1", "olives-v2")
    found, _ = await listing.list_endpoints(
        ListEndpoints(application_version_name="olives-v2", sort="endpointId"), parts=grove.parts
    )
    assert [endpoint.id for endpoint in found] == ["a", "c"]


async def test_an_endpoint_that_took_the_id_meanwhile_is_not_moved_into_another_application(
    grove: World,
) -> None:
    meant = grove.endpoints.kept[EndpointId("a")]

    def begin_again(_: Endpoint) -> None:
        grove.endpoints.before_replace = lambda _endpoint: None
        other = replace(
            meant,
            application=ApplicationName("figs"),
            version=AppVersionName("figs-v1"),
            incarnation="another",
        )
        grove.endpoints.kept[meant.id] = other

    grove.endpoints.before_replace = begin_again

    with pytest.raises(NotFoundError):
        await endpoints.put_endpoint_version(
            PutEndpointVersion(endpoint_id="a", body=AppVersionRef("olives-v2")), parts=grove.parts
        )

    assert grove.endpoints.kept[meant.id].version == "figs-v1"


async def test_moving_to_where_it_is_changes_nothing(grove: World) -> None:
    before = grove.endpoints.kept

    await endpoints.put_endpoint_version(
        PutEndpointVersion(endpoint_id="a", body=AppVersionRef("olives-v1")), parts=grove.parts
    )

    assert grove.endpoints.kept == before


@pytest.mark.parametrize(
    ("target", "limits", "error"),
    [
        pytest.param("figs-v1", None, BadRequestError, id="another application"),
        pytest.param("olives-v3", None, NotFoundError, id="unknown version"),
        pytest.param("nonsense", None, NotFoundError, id="no version name"),
        pytest.param("olives-v2", FIGS_ONLY, ForbiddenError, id="outside the limits"),
    ],
)
async def test_a_move_that_cannot_be_is_refused(
    grove: World, target: str, limits: tuple[str, ...] | None, error: type[GroveError]
) -> None:
    with pytest.raises(error):
        await endpoints.put_endpoint_version(
            PutEndpointVersion(endpoint_id="a", body=AppVersionRef(target), applications=limits),
            parts=grove.parts,
        )


async def test_a_move_to_a_version_removed_meanwhile_is_taken_back(world: World, new_twin: NewTwin) -> None:
    await create_version(
        CreateVersion(application_name="olives", body=NewAppVersion(name_suffix="v2")), parts=world.parts
    )
    twin = await new_twin()

    async def remove_the_version() -> None:
        world.listing.before_put = _nothing
        application = world.applications.kept[twin.application]
        version = application.versions["v2"]
        world.applications.kept[twin.application] = application.closing(version, at=world.clock.now())

    world.listing.before_put = remove_the_version

    with pytest.raises(ConflictError):
        await endpoints.put_endpoint_version(
            PutEndpointVersion(endpoint_id=twin.id, body=AppVersionRef("olives-v2")), parts=world.parts
        )

    assert world.endpoints.kept[twin.id].version == "olives-v1"


async def _nothing() -> None:
    pass


@pytest.fixture
async def twin(new_twin: NewTwin) -> Endpoint:
    return await new_twin({"a": 1, "b": [1]})


async def test_metadata_can_be_read_in_part(world: World, twin: Endpoint) -> None:
    _, found = await metadata.get_metadata(
        GetMetadata(endpoint_id=twin.id, include=("b", "gone")), parts=world.parts
    )

    assert found == {"b": [1]}


async def test_a_patch_is_atomic(world: World, twin: Endpoint) -> None:
    patch = b'[{"op":"remove","path":"/a"},{"op":"test","path":"/b/0","value":2}]'

    with pytest.raises(UnprocessableError):
        await metadata.patch_metadata(PatchMetadata(endpoint_id=twin.id, payload=patch), parts=world.parts)

    assert world.metadata_of(twin.id) == {"a": 1, "b": [1]}


async def test_keys_are_read_and_removed_one_by_one(world: World, twin: Endpoint) -> None:
    _, value = await metadata.get_metadata_key(
        GetMetadataKey(endpoint_id=twin.id, key="b"), parts=world.parts
    )
    await metadata.delete_metadata_key(DeleteMetadataKey(endpoint_id=twin.id, key="b"), parts=world.parts)

    assert value == [1]
    assert await metadata.list_metadata_keys(ListMetadataKeys(endpoint_id=twin.id), parts=world.parts) == [
        "a"
    ]
    with pytest.raises(NotFoundError):
        await metadata.get_metadata_key(GetMetadataKey(endpoint_id=twin.id, key="b"), parts=world.parts)
    with pytest.raises(NotFoundError):
        await metadata.delete_metadata_key(DeleteMetadataKey(endpoint_id=twin.id, key="b"), parts=world.parts)


@pytest.mark.parametrize("payload", [b"[]", b"1", b"", b"null"])
async def test_metadata_are_an_object(world: World, twin: Endpoint, payload: bytes) -> None:
    with pytest.raises(BadRequestError):
        await metadata.put_metadata(PutMetadata(endpoint_id=twin.id, payload=payload), parts=world.parts)


async def test_keys_in_use_are_told_by_version(grove: World) -> None:
    keys = await metadata.application_metadata_keys(
        ApplicationMetadataKeys(application_name="olives"), parts=grove.parts
    )

    assert keys == {"olives-v1": ["key_a", "key_d"], "olives-v2": ["key_c"]}


async def test_a_limited_key_touches_no_other_metadata(world: World, twin: Endpoint) -> None:
    reading = GetMetadata(endpoint_id=twin.id, applications=FIGS_ONLY)
    writing = PutMetadata(endpoint_id=twin.id, payload=b"{}", applications=FIGS_ONLY)
    naming = ApplicationMetadataKeys(application_name="olives", applications=FIGS_ONLY)

    with pytest.raises(ForbiddenError):
        await metadata.get_metadata(reading, parts=world.parts)
    with pytest.raises(ForbiddenError):
        await metadata.put_metadata(writing, parts=world.parts)
    with pytest.raises(ForbiddenError):
        await metadata.application_metadata_keys(naming, parts=world.parts)
    with pytest.raises(ForbiddenError):
        await delete_version(
            DeleteVersion(application_name="olives", version_name="olives-v1", applications=FIGS_ONLY),
            parts=world.parts,
        )
