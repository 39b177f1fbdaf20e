"""A write whose answer got lost is settled: it is not done twice, and not refused because of itself."""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from libs.contracts.credentials import DELETE_TOKEN, DeleteToken
from libs.contracts.errors import GroveError
from libs.contracts.tokens import TokenStatus
from tests.component.credential_manager.world import Caller, EndpointRegister, Events, running_replica
from tests.support.servers import NatsServer, StoreServer, running_store
from tests.support.waiting import eventually


class ForgetfulStore(StoreServer):
    """Stands before a store; when told, lets a write through and cuts the connection instead of answering."""

    def __init__(self, store: StoreServer) -> None:
        super().__init__(store.directory)
        self._store_port = store.port
        self.forget: tuple[bytes, bytes] | None = None
        self.forgotten = 0
        self._ways: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", self._store_port)
        silent = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as ways:
                questions = ways.create_task(self._questions(reader, forth, silent), name="questions")
                answers = ways.create_task(_answers(back, writer, silent), name="answers")
                self._ways |= {questions, answers}
                await asyncio.wait({questions, answers}, return_when=asyncio.FIRST_COMPLETED)
                questions.cancel()
                answers.cancel()
        except* ConnectionError:
            pass
        finally:
            forth.transport.abort()
            writer.transport.abort()

    async def cut(self) -> None:
        """Let nobody speak to the store any more."""
        for way in self._ways:
            way.cancel()
        await asyncio.gather(*self._ways, return_exceptions=True)

    async def _questions(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, silent: asyncio.Event
    ) -> None:
        while question := await _message(reader):
            if self.forget is not None and all(part in question for part in self.forget):
                self.forget = None
                self.forgotten += 1
                silent.set()
            writer.write(question)
            await writer.drain()


async def _answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, silent: asyncio.Event) -> None:
    """Forward until the answer that gets lost; the write behind it is done."""
    while (answer := await _message(reader)) and not silent.is_set():
        writer.write(answer)
        await writer.drain()


async def _message(reader: asyncio.StreamReader) -> bytes:
    """One message of the wire protocol: it begins with its length; b"" at the end."""
    try:
        head = await reader.readexactly(4)
        return head + await reader.readexactly(int.from_bytes(head, "little") - 4)
    except asyncio.IncompleteReadError:
        return b""


@asynccontextmanager
async def forgetful(store: StoreServer) -> AsyncIterator[ForgetfulStore]:
    proxy = ForgetfulStore(store)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    yield proxy
    server.close()
    await proxy.cut()


def changes(command: str, content: str) -> tuple[bytes, bytes]:
    """What the write that is meant holds, and no other: its command, and a text of the document."""
    return b"\x02" + command.encode() + b"\0\x07\0\0\0tokens\0", content.encode() + b"\0"


@pytest.mark.parametrize(
    "write", [changes("insert", "unconfirmed"), changes("update", "live")], ids=["claim", "confirmation"]
)
async def test_a_creation_whose_answer_was_lost_succeeds_once(
    write: tuple[bytes, bytes],
    nats: NatsServer,
    store: StoreServer,
    caller: Caller,
    register: EndpointRegister,
) -> None:
    endpoint = register.new_endpoint()
    async with forgetful(store) as proxy, running_replica(nats, proxy):
        proxy.forget = write

        created = await caller.create(endpoint, f"given to {endpoint}")

        assert proxy.forgotten == 1
        assert [token.endpoint_token_id for token in await caller.tokens(endpoint)] == [
            created.endpoint_token_id
        ]
        assert await caller.answer(f"given to {endpoint}") == 200


async def test_a_change_and_a_deletion_whose_answers_were_lost_succeed(
    nats: NatsServer, store: StoreServer, caller: Caller, register: EndpointRegister, events: Events
) -> None:
    endpoint = register.new_endpoint()
    async with forgetful(store) as proxy, running_replica(nats, proxy):
        created = await caller.create(endpoint)
        await caller.validate(created.token)

        proxy.forget = changes("update", "Suspended")
        status = await caller.set_status(endpoint, created.endpoint_token_id, TokenStatus.SUSPENDED)
        proxy.forget = changes("update", "deleted")
        deletion = DeleteToken(endpoint_id=endpoint, token_id=created.endpoint_token_id)
        deleted = await caller.ask(DELETE_TOKEN, deletion)

        assert (status, deleted.status_code, proxy.forgotten) == (204, 204, 2)
        await events.until_told(created.endpoint_token_id, None)


class Storing:
    """endpoint-register creating endpoints without end, each until its token is stored."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self.stored: list[str] = []
        self.refusals: Counter[int] = Counter()
        self.enough = asyncio.Event()

    async def run(self) -> None:
        while not self.enough.is_set():
            await self._store(str(uuid.uuid4()))

    async def some_more(self) -> None:
        before = len(self.stored)

        async def more() -> bool:
            return len(self.stored) >= before + 20

        await eventually(more, what="more tokens are stored", deadline_s=30)

    async def _store(self, endpoint: str) -> None:
        while endpoint not in self.stored:
            try:
                await self._caller.store(endpoint, f"token of {endpoint}")
            except GroveError as error:
                self.refusals[error.status_code] += 1
            else:
                self.stored.append(endpoint)


async def test_storing_through_a_killed_store_never_conflicts_with_itself(
    nats: NatsServer, tmp_path: Path, caller: Caller, register: EndpointRegister
) -> None:
    storing = Storing(caller)

    async with running_store(tmp_path) as own, running_replica(nats, own):
        async with asyncio.TaskGroup() as group:
            for number in range(8):
                group.create_task(storing.run(), name=f"storing {number}")
            for _ in range(3):
                await storing.some_more()
                await own.kill()
                await own.start()
            await storing.some_more()
            storing.enough.set()

        for endpoint in storing.stored:
            assert (await caller.validate(f"token of {endpoint}")).endpoint_id == endpoint
    assert set(storing.refusals) <= {503, 504}
