"""The files a check looks at: what git knows or would add, so nothing that a tool has made."""

import subprocess
from pathlib import Path


def tracked(pattern: str) -> list[Path]:
    """Return our files whose path matches a git pathspec, sorted; ignored files never count.

    Outside a git checkout (an unpacked archive) every file beneath counts, less hidden folders.
    """
    listed = subprocess.run(
        ("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", pattern),  # noqa: S607 - git from PATH is the user's git
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        paths = {Path(name) for name in listed.stdout.split("\0") if name}
    else:
        paths = {
            path
            for path in Path().rglob(pattern)
            if not any(part.startswith(".") for part in path.parts[:-1])
        }
    return sorted(path for path in paths if path.is_file())
