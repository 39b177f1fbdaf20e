"""Which servers are refused: the refusals that the embedded store cannot be made to show."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from pymongo import errors
from pymongo.asynchronous.database import AsyncDatabase

from libs.store import StoreRefusedError, VolatileStoreError
from libs.store.durability import check_durable

ON_DISK = {"storageEngine": {"name": "wiredTiger", "persistent": True}}
IN_MEMORY = {"storageEngine": {"name": "inMemory", "persistent": False}}
NO_JOURNAL = errors.OperationFailure("cannot use 'j' option when a host does not have journaling enabled", 2)
NOT_AUTHORIZED = errors.OperationFailure("not authorized on admin", 13)


class Server:
    """As much of a server as the check asks."""

    def __init__(
        self,
        *,
        status: dict[str, Any] | errors.OperationFailure = ON_DISK,
        write: errors.OperationFailure | None = None,
        retry_writes: bool = True,
    ) -> None:
        self._status = status
        self._write = write
        self.name = "orchard"
        self.client = SimpleNamespace(options=SimpleNamespace(retry_writes=retry_writes), admin=self)

    def __getitem__(self, _name: str) -> "Server":
        return self

    async def command(self, _name: str) -> dict[str, Any]:
        if isinstance(self._status, errors.OperationFailure):
            raise self._status
        return self._status

    async def replace_one(self, *_document: object, upsert: bool) -> None:
        assert upsert
        if self._write is not None:
            raise self._write


async def check(server: Server, *, allow_volatile: bool = False) -> None:
    await check_durable(cast("AsyncDatabase[dict[str, Any]]", server), allow_volatile=allow_volatile)


@pytest.mark.parametrize(
    "server",
    [
        pytest.param(Server(), id="on disk"),
        pytest.param(Server(status={}), id="says nothing"),
        pytest.param(Server(status=NOT_AUTHORIZED), id="may not be asked"),
        pytest.param(Server(status={**ON_DISK, "secantus": {}}, retry_writes=False), id="embedded"),
    ],
)
async def test_a_store_that_keeps_what_it_acknowledges_is_taken(server: Server) -> None:
    await check(server)


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        pytest.param(Server(status=IN_MEMORY), "in memory only", id="in memory"),
        pytest.param(Server(write=NO_JOURNAL), "journalled", id="no journal"),
    ],
)
async def test_a_volatile_store_is_refused_unless_that_is_wanted(server: Server, reason: str) -> None:
    with pytest.raises(VolatileStoreError, match=f"{reason}.*GROVE_ALLOW_VOLATILE_STORE=true"):
        await check(server)

    await check(server, allow_volatile=True)


async def test_an_embedded_store_that_would_write_twice_is_refused_even_then() -> None:
    with pytest.raises(StoreRefusedError, match="retryWrites=false"):
        await check(Server(status={**ON_DISK, "secantus": {}}), allow_volatile=True)


@pytest.mark.parametrize(
    "server",
    [
        pytest.param(Server(status=errors.OperationFailure("login", 18)), id="asking"),
        pytest.param(Server(write=NOT_AUTHORIZED), id="writing"),
    ],
)
async def test_other_refusals_of_the_server_are_passed_on(server: Server) -> None:
    with pytest.raises(errors.OperationFailure):
        await check(server)
