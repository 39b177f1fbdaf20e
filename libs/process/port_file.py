"""Tell whoever started the process which ports it took.

The file appears in one piece and only when the process serves; it is private to its user, and gone
after a clean stop. After a kill it stays: readers compare the pid.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path


def write_port_file(path: Path, *, replica: str, ports: Mapping[str, int]) -> None:
    """Replace the file atomically.

    Raises:
        OSError: The folder is missing or not ours.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({"pid": os.getpid(), "replica": replica, "ports": dict(ports)}, file)
    draft.replace(path)


def remove_port_file(path: Path, *, replica: str) -> None:
    """Remove the file if it still is ours; a successor may have written its own already."""
    try:
        if json.loads(path.read_bytes()).get("replica") == replica:
            path.unlink()
    except (OSError, ValueError, AttributeError):
        return
