from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from libs.store import Store
from tests.support.servers import StoreServer, fresh_database, store_process

Open = Callable[..., Awaitable[Store]]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    """One server that nobody hurts."""
    with store_process(tmp_path_factory.mktemp("store")) as server:
        yield server


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[StoreServer]:
    """A server of the test's own, to be killed and frozen."""
    with store_process(tmp_path) as server:
        yield server


@pytest.fixture
async def open_store() -> AsyncIterator[Open]:
    """Open stores on fresh databases and close them after the test."""
    async with AsyncExitStack() as stack:

        async def open_one(url: str, *, database: str | None = None) -> Store:
            store = Store.open(url, database=database or fresh_database(), app_name="test")
            stack.push_async_callback(store.close)
            return store

        yield open_one
