"""What every repository of relations promises, held against the fake and against the real store."""

from collections.abc import AsyncIterator

import pytest

from libs.contracts.ids import ApplicationName, EndpointId
from libs.store import Store
from services.endpoint_register.domain.relation import End, Relation
from services.endpoint_register.mongo import MongoRelationRepository
from services.endpoint_register.ports import RelationRepository
from tests.support.servers import StoreServer, fresh_database
from tests.unit.endpoint_register.record_fakes import InMemoryRelationRepository


@pytest.fixture(params=["memory", "store"])
async def kept(request: pytest.FixtureRequest, server: StoreServer) -> AsyncIterator[RelationRepository]:
    if request.param == "memory":
        yield InMemoryRelationRepository()
        return
    store = Store.open(server.url, database=fresh_database(), app_name="test")
    relations = MongoRelationRepository(store)
    await relations.prepare()
    yield relations
    await store.close()


def end(name: str, life: str = "first") -> End:
    return End(
        endpoint_id=EndpointId(name), incarnation=f"{life}-of-{name}", application=ApplicationName("olives")
    )


def names(relations: list[Relation]) -> list[tuple[str, str, str]]:
    return sorted(each.order for each in relations)


async def test_a_relation_is_there_once_and_at_both_ends(kept: RelationRepository) -> None:
    relation = Relation(source=end("a"), target=end("b"))

    assert await kept.add(relation)
    assert not await kept.add(relation)
    assert await kept.add(Relation(source=end("b"), target=end("a")))

    assert names(await kept.of(end("a"))) == [("contains", "a", "b"), ("contains", "b", "a")]
    assert relation in await kept.of(end("b"))
    assert await kept.of(end("c")) == []
    assert (await kept.count(end("a")), await kept.count(end("c"))) == (2, 0)


async def test_another_life_of_an_id_has_relations_of_its_own(kept: RelationRepository) -> None:
    second = end("a", "second")
    assert await kept.add(Relation(source=end("a"), target=end("b")))
    assert await kept.add(Relation(source=second, target=end("b")))

    await kept.forget(end("a"))

    assert await kept.of(end("a")) == []
    assert await kept.of(second) == await kept.of(end("b")) == [Relation(source=second, target=end("b"))]


async def test_what_is_removed_or_forgotten_is_gone_and_nothing_else(kept: RelationRepository) -> None:
    pairs = [("a", "b"), ("c", "a"), ("b", "c"), ("a", "d")]
    relations = [Relation(source=end(source), target=end(target)) for source, target in pairs]
    for relation in relations:
        assert await kept.add(relation)

    for _ in range(2):
        await kept.remove(relations[3])
    after_removal = names(await kept.of(end("a")))
    await kept.forget(end("a"))

    assert after_removal == [("contains", "a", "b"), ("contains", "c", "a")]
    assert names(await kept.of(end("c"))) == [("contains", "b", "c")]
