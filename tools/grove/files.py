"""Files of tables: read piece by piece, and written so that nothing is lost and nobody else reads it."""

import asyncio
import os
import secrets
import stat
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from tools.grove.output import Harmless
from tools.grove.problem import WRONG, CommandError

_PIECE_BYTES: Final = 32 * 1024


class Sink(Protocol):
    """Where a table is written."""

    def write(self, piece: bytes, /) -> object:
        """Write some of it."""

    def flush(self) -> None:
        """Let it be seen."""


@dataclass(frozen=True, slots=True)
class Source:
    """A table that is open.

    Attributes:
        descriptor: Where its bytes come from.
        lines: How many it has; None = nobody knows, as of a pipe.
    """

    descriptor: int
    lines: int | None

    def is_file(self, other: os.stat_result) -> bool:
        """Tell whether it is this one."""
        return os.path.samestat(os.fstat(self.descriptor), other)


@contextmanager
def reading(name: str) -> Iterator[Source]:
    """Open a table; ``-`` is standard input.

    Raises:
        CommandError: It cannot be read.
    """
    if name == "-":
        if sys.stdin is None:
            raise CommandError("cannot read standard input: it is closed", code=WRONG)
        yield Source(sys.stdin.fileno(), None)
        return
    try:
        file = Path(name).open("rb", buffering=0)  # noqa: SIM115 - closed below; only opening may fail here
    except OSError as error:
        raise CommandError(f"cannot read {name}: {error.strerror}", code=WRONG) from error
    with file:
        lines = None
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            lines = sum(piece.count(b"\n") for piece in iter(lambda: file.read(_PIECE_BYTES), b""))
            file.seek(0)
        yield Source(file.fileno(), lines)


async def pieces(source: Source) -> AsyncIterator[bytes]:
    """Read it piece by piece, each as soon as there is anything: whoever fills a pipe may be slow."""
    while piece := await _piece(source.descriptor):
        yield piece


async def _piece(descriptor: int) -> bytes:
    """Wait for a piece in a thread nobody waits for: Ctrl-C ends the program while a pipe is silent."""
    loop = asyncio.get_running_loop()
    arrived: asyncio.Future[bytes] = loop.create_future()

    def settle(piece: bytes | OSError) -> None:
        if arrived.done():
            return
        if isinstance(piece, OSError):
            arrived.set_exception(piece)
        else:
            arrived.set_result(piece)

    def read() -> None:
        piece: bytes | OSError
        try:
            piece = os.read(descriptor, _PIECE_BYTES)
        except OSError as error:
            piece = error
        with suppress(RuntimeError):  # the program has ended
            loop.call_soon_threadsafe(settle, piece)

    threading.Thread(target=read, name="reading", daemon=True).start()
    return await arrived


@contextmanager
def results(name: str | None, source: Source) -> Iterator[Sink]:
    """Write what became of rows; what there is of it is kept, whatever ends the import.

    Raises:
        CommandError: The file cannot be written, or has something in it: tokens of an earlier import, or the
            table itself.
    """
    with _told(name):
        if name is None:
            yield Harmless(sys.stdout) if sys.stdout.isatty() else sys.stdout.buffer
            return
        with os.fdopen(os.open(name, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            found = os.fstat(file.fileno())
            if source.is_file(found):
                raise CommandError(f"{name} is the table itself: name another file for results", code=WRONG)
            if stat.S_ISREG(found.st_mode):
                if found.st_size:
                    raise CommandError(
                        f"{name} is not empty, and may hold tokens that are shown nowhere else: "
                        "name another file, or remove it",
                        code=WRONG,
                    )
                os.fchmod(file.fileno(), 0o600)
            yield file


@contextmanager
def whole(name: str | None) -> Iterator[Sink]:
    """Write a file that is there once all of it is, or stays as it was.

    Raises:
        CommandError: It cannot be written.
    """
    with _told(name):
        if name is None:
            yield Harmless(sys.stdout) if sys.stdout.isatty() else sys.stdout.buffer
            return
        path = Path(name).resolve()
        if path.exists() and not path.is_file():  # a device or a pipe is written to, never replaced
            with path.open("wb") as file:
                yield file
            return
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                yield file
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def _told(name: str | None) -> Iterator[None]:
    """Say which file it was that could not be written."""
    try:
        yield
    except BrokenPipeError:
        raise  # whoever read has seen enough
    except OSError as error:
        shown = "standard output" if name is None else name
        raise CommandError(f"cannot write {shown}: {error.strerror}", code=WRONG) from error
