"""Rows in, rows out: each for itself, none twice, none half."""

from collections.abc import Sequence

import pytest

from libs.contracts.applications import DeleteVersion
from libs.contracts.endpoint_tables import EndpointRow, ExportEndpoints, ImportEndpoints
from libs.contracts.errors import (
    BadRequestError,
    ConflictError,
    ForbiddenError,
    GroveError,
    NotFoundError,
    UnavailableError,
)
from libs.contracts.ids import EndpointId
from services.endpoint_register.domain.endpoint import Endpoint, EndpointState
from services.endpoint_register.usecases.exporting import READ_AT_ONCE, export_endpoints
from services.endpoint_register.usecases.importing import import_endpoints
from services.endpoint_register.usecases.sweeping import Pace, Sweeper
from services.endpoint_register.usecases.versions import delete_version
from tests.support.rest import Json
from tests.unit.endpoint_register.conftest import NewTwin
from tests.unit.endpoint_register.fakes import World
from tests.unit.endpoint_register.time_and_chance import nothing


def table(*rows: EndpointRow, version: str = "olives-v1", **fields: Json) -> ImportEndpoints:
    return ImportEndpoints(application_version_name=version, payload=rows, **fields)


async def exported(world: World, *, at_once: int = READ_AT_ONCE, **fields: Json) -> list[str]:
    """Names of all that an export gives, page by page."""
    names: list[str] = []
    cmd = ExportEndpoints(**fields)
    while True:
        rows, following = await export_endpoints(cmd, parts=world.parts, at_once=at_once)
        names += [endpoint.id for endpoint, _ in rows]
        if not following:
            return names
        cmd = ExportEndpoints(**fields, after=following)


async def test_each_row_becomes_an_endpoint_or_is_refused_for_itself(world: World, new_twin: NewTwin) -> None:
    await new_twin(endpoint_id="there", endpoint_token="known")

    outcomes = await import_endpoints(
        table(
            EndpointRow("a", "own", {"floor": 3}),
            EndpointRow("there", None, {}),
            EndpointRow("b b", None, {}),
            EndpointRow("c", "known", {}),
            EndpointRow(None, None, {}),
            EndpointRow("d", None, {"not a key": 1}),
        ),
        parts=world.parts,
    )

    said = [each.status_code if isinstance(each, GroveError) else each[0].id for each in outcomes]
    assert [said[0], *said[1:4], said[5]] == ["a", 409, 400, 409, 400]
    assert {each.state for each in world.endpoints.kept.values()} == {EndpointState.READY}
    assert set(world.endpoints.kept) == {"a", "there", said[4]}
    assert world.endpoints.kept[EndpointId("a")].metadata == {"floor": 3}
    assert world.credentials.tokens[("olives", "own")] == "a"


@pytest.mark.parametrize(
    ("cmd", "error"),
    [
        pytest.param(table(*[EndpointRow(None, None, {})] * 51), BadRequestError, id="too many rows"),
        pytest.param(table(version="olives-v2"), NotFoundError, id="no such version"),
        pytest.param(table(applications=("figs",)), ForbiddenError, id="limited key"),
    ],
)
async def test_what_is_wrong_with_all_rows_is_one_error(
    world: World, cmd: ImportEndpoints, error: type[GroveError]
) -> None:
    with pytest.raises(error):
        await import_endpoints(cmd, parts=world.parts)

    assert not world.endpoints.kept


async def test_an_id_or_a_token_that_is_there_twice_is_taken_by_the_first(world: World) -> None:
    rows = [EndpointRow("a", "x", {}), EndpointRow("a", "y", {}), EndpointRow("b", "x", {})]

    outcomes = await import_endpoints(table(*rows), parts=world.parts)

    assert [isinstance(each, ConflictError) for each in outcomes] == [False, True, True]
    assert list(world.endpoints.kept) == ["a"]
    assert world.credentials.tokens == {("olives", "x"): "a"}


async def test_what_fails_half_way_is_seen_by_nobody_and_taken_back(world: World) -> None:
    world.credentials.lost_answer = UnavailableError("away")

    outcomes = await import_endpoints(table(EndpointRow("a", "x", {})), parts=world.parts)

    assert [isinstance(each, UnavailableError) for each in outcomes] == [True]
    assert world.endpoints.kept[EndpointId("a")].state is EndpointState.CREATING
    world.clock.pass_s(61)
    await Sweeper(world.parts, pace=Pace(every_s=1, outbox_after_s=5, creating_after_s=60)).sweep()
    assert not world.endpoints.kept
    assert not world.credentials.tokens


@pytest.mark.parametrize("was_written", [True, False])
async def test_rows_whose_last_answer_is_lost_are_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch, *, was_written: bool
) -> None:
    reveal = world.endpoints.reveal

    async def lose_the_answer(announced: Sequence[Endpoint]) -> None:
        if was_written:
            await reveal(announced)
        raise UnavailableError("the answer was lost")

    monkeypatch.setattr(world.endpoints, "reveal", lose_the_answer)

    (outcome,) = await import_endpoints(table(EndpointRow("a", "x", {})), parts=world.parts)

    assert isinstance(outcome, UnavailableError) is not was_written
    assert [endpoint.id for endpoint in world.announcing.offered] == (["a"] if was_written else [])


async def test_a_line_of_an_earlier_endpoint_gives_way(world: World, new_twin: NewTwin) -> None:
    earlier = await new_twin(endpoint_id="a")
    del world.endpoints.kept[earlier.id]

    await import_endpoints(table(EndpointRow("a", None, {}), EndpointRow("b", None, {})), parts=world.parts)

    lines = {line.endpoint_id: line.incarnation for line in world.listing.lines.values()}
    assert lines == {each.id: each.incarnation for each in world.endpoints.kept.values()}


async def test_a_version_that_is_removed_meanwhile_takes_no_endpoint(world: World) -> None:
    async def remove() -> None:
        world.endpoints.before_add = nothing
        await delete_version(
            DeleteVersion(application_name="olives", version_name="olives-v1"), parts=world.parts
        )

    world.endpoints.before_add = remove

    outcomes = await import_endpoints(table(EndpointRow("a", "x", {})), parts=world.parts)

    assert [isinstance(each, NotFoundError | ConflictError) for each in outcomes] == [True]
    assert not world.endpoints.kept
    assert not world.credentials.tokens


@pytest.mark.parametrize(
    ("query", "names"),
    [
        pytest.param({}, "abcde", id="all, by id"),
        pytest.param({"application_name": "olives"}, "acd", id="of an application"),
        pytest.param({"application_version_name": "olives-v1"}, "ad", id="at a version"),
        pytest.param({"applications": ("olives", "figs", "olives")}, "beacd", id="a limited key"),
        pytest.param({"applications": ("figs",)}, "be", id="one limit"),
        pytest.param({"applications": ()}, "", id="no application at all"),
        pytest.param({"application_name": "gone"}, "", id="none"),
    ],
)
@pytest.mark.parametrize("at_once", [1, 2, 200])
async def test_an_export_gives_each_endpoint_once(
    grove: World, query: Json, names: str, at_once: int
) -> None:

    assert "".join(await exported(grove, at_once=at_once, **query)) == names


async def test_columns_are_the_keys_asked_for(grove: World) -> None:
    rows, _ = await export_endpoints(ExportEndpoints(columns=("key_b", "key_a")), parts=grove.parts)

    assert [dict(metadata) for _, metadata in rows][:2] == [{"key_a": 1}, {"key_b": 1}]


async def test_large_metadata_makes_more_messages_and_loses_nobody(world: World, new_twin: NewTwin) -> None:
    for name in "abcde":
        await new_twin({"text": "x" * 200_000}, endpoint_id=name)

    assert "".join(await exported(world, columns=("text",))) == "abcde"
    rows, _ = await export_endpoints(ExportEndpoints(columns=("text",)), parts=world.parts)
    assert len(rows) == 1


@pytest.mark.parametrize(
    ("query", "error"),
    [
        pytest.param({"columns": ("a b",)}, BadRequestError, id="no key"),
        pytest.param(
            {"application_name": "figs", "application_version_name": "olives-v1"},
            BadRequestError,
            id="another application",
        ),
        pytest.param({"application_version_name": "x"}, NotFoundError, id="no version"),
        pytest.param({"application_name": "figs", "applications": ("olives",)}, ForbiddenError, id="limited"),
    ],
)
async def test_an_export_of_what_cannot_be_is_refused(
    grove: World, query: Json, error: type[GroveError]
) -> None:
    with pytest.raises(error):
        await exported(grove, **query)
