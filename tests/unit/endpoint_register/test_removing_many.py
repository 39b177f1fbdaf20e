"""Many endpoints removed with one call: each as always, and of each it is told what became of it."""

import pytest

from libs.contracts.endpoint_batches import DeleteEndpoints, EndpointIds
from libs.contracts.errors import BadRequestError
from services.endpoint_register.usecases.removing_many import delete_endpoints
from tests.unit.endpoint_register.conftest import NewTwin
from tests.unit.endpoint_register.fakes import World


def removal(*ids: str, applications: tuple[str, ...] | None = None) -> DeleteEndpoints:
    return DeleteEndpoints(body=EndpointIds(endpoint_ids=list(ids)), applications=applications)


async def test_what_became_of_each_is_told(grove: World) -> None:
    grove.credentials.stuck.add("c")

    removals = await delete_endpoints(
        removal("a", "b", "c", "nobody", "a", applications=("olives",)), parts=grove.parts
    )

    statuses = {each.endpoint_id: each.error and each.error.status_code for each in removals}
    assert statuses == {"a": None, "b": 403, "c": 503, "nobody": 404}
    assert sorted(grove.endpoints.kept) == ["b", "c", "d", "e"]
    assert "a" not in grove.credentials.tokens.values()


async def test_what_is_not_begun_in_time_is_told_and_stays(grove: World) -> None:
    removals = await delete_endpoints(removal("a", "b"), parts=grove.parts, within_s=0.0)

    assert [each.error and each.error.status_code for each in removals] == [503, 503]
    assert sorted(grove.endpoints.kept) == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    "ids",
    [
        pytest.param([], id="none"),
        pytest.param([f"tree-{number}" for number in range(1001)], id="too many"),
        pytest.param(["tree", "a/b"], id="no id"),
    ],
)
async def test_what_cannot_be_asked_removes_nothing(world: World, new_twin: NewTwin, ids: list[str]) -> None:
    await new_twin(endpoint_id="tree")

    with pytest.raises(BadRequestError):
        await delete_endpoints(removal(*ids), parts=world.parts)

    assert list(world.endpoints.kept) == ["tree"]
