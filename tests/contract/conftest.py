"""The embedded store that contracts are held against, one for each module, and an empty database of it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from libs.store import Store
from tests.support.servers import StoreServer, fresh_database, store_process


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    with store_process(tmp_path_factory.mktemp("contract")) as server:
        yield server


@pytest.fixture
async def store(server: StoreServer) -> AsyncIterator[Store]:
    store = Store.open(server.url, database=fresh_database(), app_name="test")
    yield store
    await store.close()
