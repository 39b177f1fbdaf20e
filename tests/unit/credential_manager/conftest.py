"""Fakes for the use cases."""

import pytest

from services.credential_manager.ports import Parts
from tests.support.credential_manager import Fakes


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


@pytest.fixture
def parts(fakes: Fakes) -> Parts:
    return fakes.parts
