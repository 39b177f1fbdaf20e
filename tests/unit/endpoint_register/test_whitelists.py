"""What keeps whitelists in memory forgets them when it must."""

from collections import Counter

import pytest

from libs.contracts.ids import ApplicationName, AppVersionName
from services.endpoint_register.bus_api import CachedWhitelists
from services.endpoint_register.domain.whitelist import Whitelist, whitelist_of
from tests.unit.bus.speakers import InMemoryBus

V1, V2, OTHER = AppVersionName("olives-v1"), AppVersionName("olives-v2"), AppVersionName("figs-v1")


class Kept:
    """Whitelists of three versions, in memory; counts how often each was loaded."""

    def __init__(self) -> None:
        self.loads: Counter[str] = Counter()
        self.bus = InMemoryBus()
        self.whitelists = CachedWhitelists(self._load)

    async def ask(self) -> None:
        for version in (V1, V2, OTHER):
            await self.whitelists.of(version)

    async def _load(self, version: AppVersionName) -> Whitelist:
        self.loads[version] += 1
        return whitelist_of(None)


@pytest.fixture
async def kept() -> Kept:
    kept = Kept()
    await kept.whitelists.follow(kept.bus)
    await kept.ask()
    return kept


async def test_a_whitelist_is_loaded_once(kept: Kept) -> None:
    await kept.ask()

    assert kept.loads == {V1: 1, V2: 1, OTHER: 1}


async def test_a_cut_ends_all_of_them_because_events_may_have_been_missed(kept: Kept) -> None:
    kept.bus.cut()
    await kept.ask()

    assert kept.loads == {V1: 2, V2: 2, OTHER: 2}


@pytest.mark.parametrize(
    ("version", "again"),
    [pytest.param(None, {V1, V2}, id="application"), pytest.param(V1, {V1}, id="version")],
)
async def test_an_event_ends_those_it_concerns(kept: Kept, version: str | None, again: set[str]) -> None:
    kept.bus.configure("olives", version)
    await kept.ask()

    assert {name for name, loads in kept.loads.items() if loads == 2} == again


async def test_what_this_replica_changes_is_forgotten_at_once(kept: Kept) -> None:
    kept.whitelists.forget(ApplicationName("olives"), None)
    await kept.ask()

    assert kept.loads == {V1: 2, V2: 2, OTHER: 1}
