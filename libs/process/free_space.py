"""Is there room on a volume: below a share that is free, nothing more may be put there.

A full disk wedges JetStream for good (protocol/delivery.md rule 6), and more than our streams may live on it.
"""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import structlog
from prometheus_client import Gauge

from libs.process.lifecycle import Process

LOOK_EVERY_S: Final = 1.0

_PERCENT: Final = 100
_ROOM_AGAIN_PERCENT: Final = 1
"""So much more than the limit has to be free before there is room again: else the answer would flicker."""
_FREE = Gauge("grove_jetstream_disk_free_ratio", "Free share of the volume that JetStream writes to.")
_log = structlog.get_logger()


class Usage(Protocol):
    """Bytes of a volume."""

    @property
    def total(self) -> int: ...

    @property
    def free(self) -> int: ...


class FreeSpace:
    """Watches one volume; :meth:`watch` is a root task."""

    def __init__(
        self,
        directory: Path,
        *,
        min_free_percent: float,
        usage: Callable[[Path], Usage] = shutil.disk_usage,
    ) -> None:
        """Look at the volume that holds ``directory``; there is room until it was looked at."""
        self._directory = directory
        self._usage = usage
        self._min_free_percent = min_free_percent
        self._low = False

    def has_room(self) -> bool:
        """Whether more may be put there."""
        return not self._low

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Look now; a volume that cannot be looked at is taken as it was."""
        try:
            usage = await asyncio.to_thread(self._usage, self._directory)  # may hang on a network disk
        except OSError as error:
            _log.warning("disk_not_seen", directory=str(self._directory), reason=error.strerror)
            return
        if not usage.total:
            return  # some network disks do not tell
        free_percent = _PERCENT * usage.free / usage.total
        _FREE.set(free_percent / _PERCENT)
        wanted = self._min_free_percent + (_ROOM_AGAIN_PERCENT if self._low else 0)
        low = free_percent < wanted
        if low is not self._low:
            say = _log.error if low else _log.info
            say(
                "disk_low" if low else "disk_has_room_again",
                directory=str(self._directory),
                free_percent=round(free_percent, 1),
                min_free_percent=self._min_free_percent,
            )
        self._low = low


def has_room(process: Process) -> Callable[[], bool]:
    """Watch the volume that JetStream writes to, where the process was told of it, and say if it has room."""
    directory = process.settings.jetstream_directory
    if directory is None:
        return lambda: True
    space = FreeSpace(Path(directory), min_free_percent=process.settings.min_free_percent)
    process.supervise("free space", space.watch())
    return space.has_room
