"""Is the volume large enough for what the stack may come to hold (protocol/delivery.md, rule 6).

A full disk wedges JetStream for good, so what streams and the store may grow to must fit before anything
starts.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from deploy.local.problem import RunnerError
from deploy.local.settings import LocalSettings
from libs.contracts.streams import all_streams
from libs.contracts.subjects import Subjects

MOST_OF_VOLUME = 0.8
LOW_FREE = 0.1
_GIB = 1024**3


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A file system."""

    total_bytes: int
    free_bytes: int


def volume_of(path: Path) -> Volume:
    """Measure the volume that holds ``path``."""
    usage = shutil.disk_usage(path)
    return Volume(total_bytes=usage.total, free_bytes=usage.free)


def streams_bytes(root: str) -> int:
    """Return what all streams together may hold."""
    return sum(stream.max_bytes for stream in all_streams(Subjects(root)))


def check_space(volume: Volume, settings: LocalSettings) -> str | None:
    """Return a warning when little is free.

    Raises:
        RunnerError: Streams and store together may outgrow the volume.
    """
    streams, store = streams_bytes(settings.subject_root), settings.store_reserve_bytes
    if streams + store > MOST_OF_VOLUME * volume.total_bytes:
        raise RunnerError(
            f"the streams ({_gib(streams)}) and the store (GROVE_LOCAL_STORE_RESERVE_BYTES, "
            f"{_gib(store)}) may fill more than {MOST_OF_VOLUME:.0%} of a volume of "
            f"{_gib(volume.total_bytes)}; lower the reserve, or set GROVE_DATA_DIR to a larger volume"
        )
    if volume.free_bytes < LOW_FREE * volume.total_bytes:
        return (
            f"only {_gib(volume.free_bytes)} of {_gib(volume.total_bytes)} are free on the data volume; "
            f"data is refused below {LOW_FREE:.0%}"
        )
    return None


def _gib(size_bytes: float) -> str:
    return f"{size_bytes / _GIB:.1f} GiB"
