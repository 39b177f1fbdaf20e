"""One running suite for all tests that only use it; one of its own for each test that hurts it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.rest import Operator, operator
from tests.support.stack import Stack, running_stack


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def suite(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """The suite with two replicas of endpoint-register; tests must leave it as they found it."""
    directory = tmp_path_factory.mktemp("suite")
    async with running_stack(directory, replicas={"endpoint-register": 2}) as stack:
        yield stack


@pytest.fixture
async def rest(suite: Stack) -> AsyncIterator[Operator]:
    async with operator(suite) as client:
        yield client


@pytest.fixture
async def own_stack(tmp_path: Path) -> AsyncIterator[Stack]:
    """A suite that the test may hurt."""
    async with running_stack(tmp_path) as stack:
        yield stack


@pytest.fixture
async def own_rest(own_stack: Stack) -> AsyncIterator[Operator]:
    async with operator(own_stack) as client:
        yield client
