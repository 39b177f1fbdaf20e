"""The whole suite, or a part of it, started by the real runner on free ports: what system tests stand on.

::

    async with running_stack(tmp_path, replicas={"endpoint-register": 2}) as stack:
        stack.http                                             # where devices go
        stack.api, stack.api_key                               # where operators go
        stack.nats, stack.mongodb                              # observer of events; the store
        await stack.kill("nats")                               # SIGKILL: any service, nats or store
        await stack.ready("nats")                              # the runner has brought it back
        await stack.terminate("endpoint-register", 1)          # SIGTERM: an orderly stop, then a new process
        await stack.ready("endpoint-register", 1)

:meth:`Stack.ready` waits for a process other than the one last killed or terminated here. Addresses stay the
same over restarts. When the block is left by an exception, the tails of all logs are shown.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from deploy.local.leash import leashed
from tests.support.waiting import eventually

REPOSITORY = Path(__file__).resolve().parents[2]
RUNNER = (sys.executable, "-m", "deploy.local")
ANY_PORT = dict.fromkeys(
    (
        "GROVE_HTTP_PORT",
        "GROVE_API_PORT",
        "GROVE_MQTT_PORT",
        "GROVE_MQTT_WS_PORT",
        "GROVE_MQTT_TLS_PORT",
        "GROVE_HTTP_TLS_PORT",
        "GROVE_BOOTSTRAP_PORT",
        "GROVE_NATS_PORT",
        "GROVE_STORE_PORT",
    ),
    "0",
)
INFRASTRUCTURE = ("nats", "store")

_START_DEADLINE_S = 45.0
_STOP_DEADLINE_S = 15.0
_RESTART_DEADLINE_S = 25.0
_TAIL_LINES = 40


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return our environment without anything of Olivegrove's but ``extra`` and any free port."""
    ours = os.environ  # noqa: TID251 - what the tests were given, handed on to the runner
    inherited = {name: value for name, value in ours.items() if not name.startswith("GROVE_")}
    return {**inherited, **ANY_PORT, **extra}


class Runner:
    """A runner started as its own process, ready or not; it dies with the tests."""

    def __init__(
        self,
        data: Path,
        *,
        command: Sequence[str] = RUNNER,
        env: Mapping[str, str] | None = None,
        only: Collection[str] = (),
    ) -> None:
        self.data = data
        self.output = data.with_name(f"{data.name}.out")
        argv = [*command, "run", "--data-dir", str(data), "--quiet"]
        if only:
            argv += ["--only", ",".join(only)]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                leashed(*argv),
                cwd=REPOSITORY,
                env=clean_environment(env or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def content(self) -> dict[str, Any]:
        """Return what ready.json says now.

        Raises:
            FileNotFoundError: Nothing is ready.
        """
        content: dict[str, Any] = json.loads((self.data / "ready.json").read_bytes())
        return content

    async def wait_ready(self) -> None:
        """Return when ready.json is there.

        Raises:
            RuntimeError: The runner ended; the message holds what it said.
            TimeoutError: It took too long.
        """

        async def ready_or_ended() -> bool:
            return (self.data / "ready.json").exists() or self.process.poll() is not None

        await eventually(ready_or_ended, what="the stack is ready", deadline_s=_START_DEADLINE_S)
        if self.process.poll() is not None:
            raise RuntimeError(f"the runner ended:\n{self.output.read_text(errors='replace')}")

    async def wait_end(self) -> int:
        """Return the exit code."""
        return await asyncio.to_thread(self.process.wait, _STOP_DEADLINE_S)

    async def stop(self) -> int:
        """Stop as Ctrl-C would and return the exit code; by force when it takes longer than it may."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return await self.wait_end()
        except subprocess.TimeoutExpired:
            self.process.kill()
            await self.wait_end()
            raise

    def tails(self) -> str:
        """Return the end of everything that was logged."""
        parts = [f"--- runner\n{_tail(self.output)}"]
        parts += [f"--- {log.name}\n{_tail(log)}" for log in sorted((self.data / "logs").glob("*.log"))]
        return "\n".join(parts)


class Stack:
    """A stack that was ready; processes are named as in the runner's table and numbered from 0."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.data = runner.data
        self._hurt: dict[tuple[str, int], int] = {}
        content = runner.content()
        self.http: str = content.get("http", "")
        self.mqtt: str = content.get("mqtt", "")
        self.mqtt_ws: str = content.get("mqttWs", "")
        self.api: str = content.get("api", "")
        self.api_key: str = content["apiKey"]
        self.nats: str = content.get("nats", "")
        self.mongodb: str = content.get("mongodb", "")

    def pid_of(self, name: str, replica: int = 0) -> int:
        """Return the process id by which a service, ``nats`` or ``store`` was last ready."""
        content = self.runner.content()
        if name in INFRASTRUCTURE:
            return int(content["infrastructure"][name]["pid"])
        return int(content["services"][name][replica]["pid"])

    def health_of(self, name: str, replica: int = 0) -> str:
        """Return the address of /health, /ready and /metrics of a service."""
        return str(self.runner.content()["services"][name][replica]["health"])

    def url_of(self, name: str, replica: int = 0) -> str:
        """Return the address at which a replica listens; for all but the first this is the only way to it."""
        return str(self.runner.content()["services"][name][replica]["url"])

    async def kill(self, name: str, replica: int = 0) -> None:
        """End a process with SIGKILL."""
        self._signal(name, replica, signal.SIGKILL)

    async def terminate(self, name: str, replica: int = 0) -> None:
        """Ask a process to stop; the runner replaces it."""
        self._signal(name, replica, signal.SIGTERM)

    async def pause(self, name: str, replica: int = 0) -> None:
        """Freeze a process with SIGSTOP."""
        os.kill(self.pid_of(name, replica), signal.SIGSTOP)

    async def resume(self, name: str, replica: int = 0) -> None:
        """Let a frozen process go on."""
        os.kill(self.pid_of(name, replica), signal.SIGCONT)

    async def ready(self, name: str, replica: int = 0, *, deadline_s: float = _RESTART_DEADLINE_S) -> int:
        """Wait until a process other than the one last hurt here is ready; return its id.

        Raises:
            TimeoutError: It is not, in time.
        """
        before = self._hurt.get((name, replica))

        async def replacement() -> int:
            pid = self.pid_of(name, replica)
            return pid if pid != before else 0

        return await eventually(replacement, what=f"{name}-{replica} is ready again", deadline_s=deadline_s)

    def _signal(self, name: str, replica: int, number: signal.Signals) -> None:
        pid = self.pid_of(name, replica)
        self._hurt[name, replica] = pid
        os.kill(pid, number)


@asynccontextmanager
async def running_stack(
    directory: Path,
    *,
    replicas: Mapping[str, int] | None = None,
    env: Mapping[str, str] | None = None,
    only: Collection[str] = (),
    command: Sequence[str] = RUNNER,
) -> AsyncIterator[Stack]:
    """Run the stack with its data in ``directory/data`` until the block ends; a later one finds the data.

    Args:
        directory: Usually ``tmp_path``.
        replicas: Number of processes by service, where it is not one.
        env: Further ``GROVE_`` variables.
        only: Processes to start, with all that they need; everything when left out.
        command: What to run instead of the real command line, for other tables.
    """
    counts = ",".join(f"{name}={count}" for name, count in (replicas or {}).items())
    env = {"GROVE_LOCAL_REPLICAS": counts, **(env or {})}
    runner = Runner(directory / "data", command=command, env=env, only=only)
    try:
        await runner.wait_ready()
        yield Stack(runner)
    except BaseException:
        print(runner.tails())  # noqa: T201 - pytest shows it beside the failure
        raise
    finally:
        await runner.stop()


def _tail(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return "(nothing)"
    return "\n".join(lines[-_TAIL_LINES:])
