"""Tables and results: nothing that is there is lost, nothing that is no file is replaced, nobody waits."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack import REPOSITORY
from tools.grove.files import Sink, Source, pieces, reading, results, whole
from tools.grove.problem import WRONG, CommandError

TABLE = b"endpointId\na\nb\n"
SILENT = """
import asyncio
from tools.grove.files import Sink, Source, pieces
asyncio.run(asyncio.wait_for(anext(pieces(Source(0, None))), 0.1))
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "trees.csv"
    path.write_bytes(TABLE)
    return path


@pytest.fixture
def source(table: Path) -> Iterator[Source]:
    with reading(str(table)) as source:
        yield source


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """Make a named pipe that somebody reads."""
    path = tmp_path / "pipe"
    os.mkfifo(path, 0o644)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    yield path, reader
    os.close(reader)


def interrupted(file: Sink, written: bytes) -> None:
    file.write(written)
    raise KeyboardInterrupt


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_a_file_is_read_to_its_end_and_its_lines_are_known(source: Source) -> None:
    read = b"".join([piece async for piece in pieces(source)])

    assert (read, source.lines) == (TABLE, 3)


async def test_of_a_pipe_a_row_is_read_as_soon_as_it_is_there() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"endpointId\n")
    with reading(f"/dev/fd/{reader}") as source:
        first = await anext(pieces(source))
    os.close(writer)
    os.close(reader)

    assert (first, source.lines) == (b"endpointId\n", None)


def test_a_silent_pipe_does_not_keep_the_program_from_ending() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SILENT], cwd=REPOSITORY, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        said = process.stderr.read()
        ended = process.wait(10)

    assert (ended, b"TimeoutError" in said) == (1, True)


def test_results_never_overwrite_the_table(table: Path, source: Source) -> None:
    with pytest.raises(CommandError, match="is the table itself") as refused, results(str(table), source):
        pass

    assert refused.value.code == WRONG
    assert table.read_bytes() == TABLE


def test_results_never_overwrite_tokens_of_an_earlier_import(tmp_path: Path, source: Source) -> None:
    kept = tmp_path / "results.csv"
    with results(str(kept), source) as file:
        file.write(b"token")

    with pytest.raises(CommandError, match="may hold tokens"), results(str(kept), source):
        pass

    assert (kept.read_bytes(), mode(kept)) == (b"token", 0o600)


def test_results_that_are_broken_off_are_kept_for_their_owner_alone(tmp_path: Path, source: Source) -> None:
    kept = tmp_path / "results.csv"
    kept.touch(mode=0o644)

    with pytest.raises(KeyboardInterrupt), results(str(kept), source) as file:
        interrupted(file, b"token")

    assert (kept.read_bytes(), mode(kept)) == (b"token", 0o600)


def test_what_is_no_file_is_written_to_and_stays_what_it_is(pipe: tuple[Path, int], source: Source) -> None:
    path, reader = pipe

    with results(str(path), source) as file:
        file.write(b"results ")
    with whole(str(path)) as file:
        file.write(b"export")

    assert os.read(reader, 99) == b"results export"
    assert (path.is_fifo(), mode(path)) == (True, 0o644)


def test_an_export_replaces_a_file_once_it_is_whole(tmp_path: Path) -> None:
    target, link = tmp_path / "trees.csv", tmp_path / "link.csv"
    target.write_bytes(b"before")
    link.symlink_to(target)

    with pytest.raises(KeyboardInterrupt), whole(str(link)) as file:
        interrupted(file, b"half")
    broken_off = target.read_bytes()
    with whole(str(link)) as file:
        file.write(b"after")

    assert (broken_off, target.read_bytes(), mode(target)) == (b"before", b"after", 0o600)
    assert link.is_symlink()
    assert sorted(tmp_path.iterdir()) == [link, target]


@pytest.mark.parametrize("name", ["missing/results.csv", "."])
def test_what_cannot_be_written_is_told(tmp_path: Path, source: Source, name: str) -> None:
    place = str(tmp_path / name)

    with pytest.raises(CommandError, match="cannot write"), results(place, source):
        pass
    with pytest.raises(CommandError, match="cannot write"), whole(place):
        pass
