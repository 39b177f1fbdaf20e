"""Start processes so that none is left behind, and end them.

Each child leads a session of its own: Ctrl-C reaches the runner alone, and killing the group takes the
child's children too. Output comes through a pipe that is read by the event loop; a child's end is seen by
its pid, not by the pipe closing, since a grandchild may hold that.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.local import watchdog
from deploy.local.leash import leashed
from deploy.local.process_log import ProcessLog

_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to start."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    directory: Path


class Child:
    """A started process."""

    def __init__(
        self, process: asyncio.subprocess.Process, *, output: int, log: ProcessLog, watch: "Watch"
    ) -> None:
        self.pid = process.pid
        self._process = process
        self._output = output
        self._log = log
        self._watch = watch
        asyncio.get_running_loop().add_reader(output, self._read)
        watch.add(self.pid)

    @property
    def exit_code(self) -> int | None:
        """Of the process that ended; negative = the signal that ended it."""
        return self._process.returncode

    async def wait(self) -> int:
        """Return the exit code once the process and all it started are gone, their output in the log."""
        code = await self._process.wait()
        self.kill()
        self._watch.remove(self.pid)
        while self._read():
            pass
        self._close()
        return code

    def terminate(self) -> None:
        """Ask the process to stop."""
        with suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        """End the process and all its children, now."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def _read(self) -> bool:
        try:
            chunk = os.read(self._output, _CHUNK_BYTES)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            chunk = b""
        if chunk:
            self._log.feed(chunk)
        else:
            asyncio.get_running_loop().remove_reader(self._output)
        return bool(chunk)

    def _close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._output)
        os.close(self._output)


async def start_child(command: Command, *, log: ProcessLog, watch: "Watch") -> Child:
    """Start a process that dies with this one; only the main thread may do it (see the leash)."""
    log.begin_run()
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    try:
        process = await asyncio.create_subprocess_exec(
            *leashed(*command.argv),
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            env=command.env,
            cwd=command.directory,
            start_new_session=True,
        )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return Child(process, output=reading, log=log, watch=watch)


class Watch:
    """The runner's end of the pipe to the watchdog, which kills what we leave behind when we are killed."""

    def __init__(self, ready_file: Path) -> None:
        reading, self._pipe = os.pipe()
        argv = [sys.executable, "-I", "-S", watchdog.__file__, str(ready_file)]
        self._process = subprocess.Popen(
            argv, stdin=reading, stdout=subprocess.DEVNULL, start_new_session=True
        )
        os.close(reading)

    def add(self, group: int) -> None:
        """Have the group killed when we die."""
        self._tell(f"+{group}")

    def remove(self, group: int) -> None:
        """The group is gone; its number may be given to others."""
        self._tell(f"-{group}")

    def close(self) -> None:
        """Let the watchdog go: nothing is left for it to do."""
        self._tell(watchdog.DONE)
        os.close(self._pipe)
        self._process.wait()

    def _tell(self, line: str) -> None:
        with suppress(BrokenPipeError):
            os.write(self._pipe, f"{line}\n".encode())
