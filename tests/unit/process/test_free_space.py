"""Free space: below the share there is no room, and a little more is needed before there is again."""

from pathlib import Path
from typing import NamedTuple

from libs.process.free_space import FreeSpace


class Usage(NamedTuple):
    total: int
    free: int


async def test_room_ends_below_the_share_and_is_back_a_little_above_it(tmp_path: Path) -> None:
    free = iter((50, 10, 9, 10, 9, 11, 10, 12))
    space = FreeSpace(tmp_path, min_free_percent=10, usage=lambda _: Usage(100, next(free)))
    seen = []
    for _ in range(8):
        await space.look()
        seen.append(space.has_room())

    assert seen == [True, True, False, False, False, True, True, True]


async def test_a_real_disk_has_room_for_little_and_not_for_everything(tmp_path: Path) -> None:
    answers = []
    for percent in (0, 99.99):
        space = FreeSpace(tmp_path, min_free_percent=percent)
        assert space.has_room()
        await space.look()
        answers.append(space.has_room())

    assert answers == [True, False]


async def test_a_directory_that_is_not_there_changes_nothing(tmp_path: Path) -> None:
    space = FreeSpace(tmp_path / "gone", min_free_percent=99)

    await space.look()

    assert space.has_room()
