"""Is a port free, and if not, whose is it."""

import errno
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_LISTENING = "0A"
_COMMAND_SHOWN = 100


def is_taken(host: str, port: int) -> bool:
    """Tell whether a server of ours could not listen on the port; like them this ignores closing connections.

    Raises:
        OSError: The address cannot be listened on at all, whatever the port.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return True
            raise
    return False


def owner_of(port: int) -> str | None:
    """Name who listens on the port ("pid 123, nats-server -c ..."), where this user may see it."""
    inodes = set(_inodes_listening_on(port))
    if not inodes:
        return None
    for process in _PROC.iterdir():
        if process.name.isdecimal() and _holds_any(process, inodes):
            return f"pid {process.name}, {_command_of(process)}"
    return None


def parse_listening(table: Iterable[str], port: int) -> Iterator[str]:
    """Yield the socket inodes that listen on ``port`` from the lines of /proc/net/tcp or tcp6."""
    for line in table:
        match line.split():
            case [_, local, _, state, _, _, _, _, _, inode, *_]:
                if state == _LISTENING and local.endswith(f":{port:04X}"):
                    yield inode


def _inodes_listening_on(port: int) -> Iterator[str]:
    for name in ("tcp", "tcp6"):
        with suppress(OSError):
            yield from parse_listening((_PROC / "net" / name).read_text().splitlines(), port)


def _holds_any(process: Path, inodes: set[str]) -> bool:
    wanted = {f"socket:[{inode}]" for inode in inodes}
    with suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                if os.readlink(descriptor) in wanted:  # noqa: PTH115 - the target is no path
                    return True
    return False


def _command_of(process: Path) -> str:
    try:
        words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "?"
    return " ".join(words).strip()[:_COMMAND_SHOWN] or "?"
