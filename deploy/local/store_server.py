"""The embedded store: its command line and the port it bound.

It is a GPL program and only ever a separate process, started as a module because the script pip makes names
the folder it was made in. ``--sync-on-commit`` is not a choice: without it acknowledged writes were lost
when the store was killed. An empty configuration file of our own keeps it from picking up a secantusd.toml
it finds elsewhere.
"""

import re
import sys
from pathlib import Path

_LISTENING = re.compile(r"listening on 127\.0\.0\.1:(\d+)\b")


def store_argv(directory: Path, *, port: int, cache: str = "256M") -> list[str]:
    """Return the command that serves the store kept in ``directory``; port 0 asks for any free one."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    config = directory / "secantusd.toml"
    config.touch(mode=0o600)
    return [
        sys.executable,
        "-m",
        "secantus",
        f"--config={config}",
        "--host=127.0.0.1",
        f"--port={port}",
        f"--storage-path={directory / 'data'}",
        f"--cache-size={cache}",
        "--sync-on-commit",
    ]


def read_port(log: str) -> int | None:
    """Return the port of the last start in the store's log, or None while it has not said so yet."""
    found = _LISTENING.findall(log)
    return int(found[-1]) if found else None


def store_url(port: int) -> str:
    """Return the address for drivers.

    The direct connection spares them the discovery of a one-member set. They must not retry writes: across a
    crash the store forgets which it has carried out, and does them twice.
    """
    return f"mongodb://127.0.0.1:{port}/?directConnection=true&retryWrites=false"
