"""What the operating system says: processor time and memory of processes, how fast the disk syncs."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_USER, _SYSTEM = 11, 12  # of /proc/<pid>/stat, counted behind the name
_BLOCK: Final = b"x" * 32 * 1024
_SYNC_FOR_S: Final = 1.0


def cpu_s(pid: int) -> float:
    """Processor time that a process has taken so far, seconds; 0 without /proc, or when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    fields = stat.rpartition(")")[2].split()
    return (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS


def resident_mib(pid: int) -> float:
    """Memory of a process, MiB; 0 without /proc, or when it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0.0
    return pages * _PAGE / 2**20


class CpuClock:
    """Processor time of some processes since it was made."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = pids
        self._began = {name: cpu_s(pid) for name, pid in pids.items()}

    def taken(self) -> dict[str, float]:
        """Seconds of each since then."""
        return {name: cpu_s(pid) - self._began[name] for name, pid in self._pids.items()}


def syncs_per_s(directory: Path) -> float:
    """Append about a batch and fsync, again and again, for a second."""
    path = directory / "fsync"
    count, began = 0, time.perf_counter()
    with path.open("wb", buffering=0) as file:
        while (passed := time.perf_counter() - began) < _SYNC_FOR_S:
            file.write(_BLOCK)
            os.fsync(file.fileno())
            count += 1
    path.unlink()
    return count / passed
