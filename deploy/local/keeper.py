"""Keep one process running: start it, see it become ready, start it again when it ends, and stop it.

The first start is special: people wait for it, so a process that ends or stays silent then fails the whole
start with the end of its log. Later ends are healed with growing pauses (:mod:`deploy.local.backoff`) for
as long as the stack runs.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from deploy.local.backoff import Backoff, cause_of
from deploy.local.children import Child, Watch, start_child
from deploy.local.problem import RunnerError
from deploy.local.program import Program

_PROBE_PAUSE_S = 0.05
_SLOW_S = 20.0


class Audience(Protocol):
    """Who is told what becomes of a process."""

    def on_ready(self, keeper: "Keeper", *, pid: int, took_s: float) -> None:
        """The process is ready, for the first time or again."""
        ...

    def on_slow(self, keeper: "Keeper", *, missing: str) -> None:
        """A process that was started again takes long to become ready."""
        ...

    def on_end(self, keeper: "Keeper", *, cause: str, delay_s: float) -> None:
        """The process ended and is started again after the pause."""
        ...

    def on_failed_start(self, keeper: "Keeper", *, cause: str) -> None:
        """The first start failed; the process is not started again."""
        ...


class Keeper:
    """The life of one process of the stack.

    Attributes:
        first_ready: Set when the process was ready for the first time; processes that need it wait for this.
        child: The current run; None between runs.
    """

    def __init__(
        self,
        program: Program,
        *,
        needs: Sequence["Keeper"],
        watch: Watch,
        audience: Audience,
        start_deadline_s: float,
    ) -> None:
        self.program = program
        self.first_ready = asyncio.Event()
        self.child: Child | None = None
        self._needs = needs
        self._watch = watch
        self._audience = audience
        self._start_deadline_s = start_deadline_s
        self._backoff = Backoff()
        self._ready_at: float | None = None
        self._given_up: str | None = None
        self._stopping = asyncio.Event()
        self._over = asyncio.Event()

    @property
    def label(self) -> str:
        """What people call this process; the number only where there is more than one."""
        return f"{self.program.name}-{self.program.index}" if self.program.index else self.program.name

    async def run(self) -> None:
        """Keep the process running until :meth:`stop`, or until its first start fails."""
        try:
            for need in self._needs:
                await _first_of(need.first_ready, self._stopping)
            while not self._stopping.is_set():
                await self._run_once()
        finally:
            self._over.set()

    async def stop(self, *, patience_s: float) -> bool:
        """Ask the process to stop and wait; return False when it had to be killed."""
        self._stopping.set()
        if self.child is not None:
            self.child.terminate()
        try:
            async with asyncio.timeout(patience_s):
                await self._over.wait()
        except TimeoutError:
            self.kill()
            await self._over.wait()
            return False
        return True

    def kill(self) -> None:
        """End the current run at once."""
        if self.child is not None:
            self.child.kill()

    async def _run_once(self) -> None:
        try:
            code = await self._live()
        except (OSError, RunnerError) as error:
            code, cause = 1, f"could not be started: {error}"
        else:
            cause = self._given_up or cause_of(code)
        if self._stopping.is_set():
            return
        if not self.first_ready.is_set():
            self._stopping.set()
            self._audience.on_failed_start(self, cause=cause)
            return
        ready_for_s = None if self._ready_at is None else time.monotonic() - self._ready_at
        delay_s = self._backoff.delay_s(exit_code=code, ready_for_s=ready_for_s)
        self._audience.on_end(self, cause=cause, delay_s=delay_s)
        with suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._stopping.wait()

    async def _live(self) -> int:
        self._ready_at = None
        child = await start_child(self.program.command(), log=self.program.log, watch=self._watch)
        self.child = child
        if self._stopping.is_set():  # while the process was being made, so that stop() saw none
            child.terminate()
        async with asyncio.TaskGroup() as group:
            probing = group.create_task(self._see_ready(child), name=f"{self.label} readiness")
            code = await child.wait()
            self.child = None
            probing.cancel()
        return code

    async def _see_ready(self, child: Child) -> None:
        started = time.monotonic()
        told = False
        while missing := await self.program.missing(child):
            waited_s = time.monotonic() - started
            if not self.first_ready.is_set() and waited_s > self._start_deadline_s:
                self._given_up = f"was not ready within {self._start_deadline_s:g} s ({missing})"
                child.kill()
                return
            if waited_s > _SLOW_S and not told:
                self._audience.on_slow(self, missing=missing)
                told = True
            await asyncio.sleep(_PROBE_PAUSE_S)
        self._ready_at = time.monotonic()
        self.first_ready.set()
        self._audience.on_ready(self, pid=child.pid, took_s=self._ready_at - started)


async def _first_of(*events: asyncio.Event) -> None:
    """Wait until any of the events is set."""
    async with asyncio.TaskGroup() as group:
        waits = [group.create_task(event.wait(), name="first of several events") for event in events]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
