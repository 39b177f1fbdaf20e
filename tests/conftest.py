"""What every test run shares: where chance comes from, and how it is repeated.

``make test`` draws the same examples every time; ``make soak`` draws new ones from a seed that is
shown first, and ``make soak SOAK_SEED=...`` draws those again.
"""

import os

import pytest
from hypothesis import settings

_SEED = os.environ.get("SOAK_SEED")  # noqa: TID251 - a switch of the test run, not a setting of Olivegrove

settings.register_profile("test", derandomize=True, deadline=None)
settings.register_profile("soak", derandomize=False, deadline=None, max_examples=2000, print_blob=True)
settings.load_profile("soak" if _SEED else "test")


def pytest_report_header() -> str | None:
    return f"SOAK_SEED={_SEED}" if _SEED else None


@pytest.fixture(scope="session")
def soak_seed() -> int:
    """Seed for ``random.Random`` in tests that need chance; fixed unless ``make soak`` drew one."""
    return int(_SEED or 1)
