"""Run the whole stack: start it in order, tell how it is, heal it, stop it in reverse order."""

import asyncio
import time
from collections.abc import Sequence

import aiohttp

from deploy.local import ready_file
from deploy.local.announcement import announcement
from deploy.local.assembly import Assembly, Surroundings
from deploy.local.children import Watch
from deploy.local.keeper import Keeper
from deploy.local.nats_program import NatsProgram
from deploy.local.order import waves
from deploy.local.program import Program
from deploy.local.ready_file import Infrastructure, ServiceEntry, Snapshot
from deploy.local.service_program import ServiceProgram
from deploy.local.table import Row

STOP_S = 10.0
_SHARE_OF_LATER_WAVES_S = 1.0
_SHARE_OF_INFRASTRUCTURE_S = 2.0
_TAIL_LINES = 15


class Supervisor:
    """The processes of one stack and what is said about them."""

    def __init__(
        self, rows: Sequence[Row], around: Surroundings, *, watch: Watch, session: aiohttp.ClientSession
    ) -> None:
        self._around = around
        self._assembly = Assembly(rows, around, session=session)
        self._entries: dict[Keeper, ServiceEntry | Infrastructure] = {}
        self._began = time.monotonic()
        self._stop_requested = asyncio.Event()
        self._failed = False
        self._complete = False
        self._waves: list[list[Keeper]] = []
        for wave in waves(rows):
            self._waves.append(self._keepers_of(wave, watch))

    @property
    def _keepers(self) -> list[Keeper]:
        return [keeper for wave in self._waves for keeper in wave]

    async def run(self) -> int:
        """Run until asked to stop; return the exit code: 0 when all ended in an orderly way."""
        async with asyncio.TaskGroup() as group:
            for keeper in self._keepers:
                group.create_task(keeper.run(), name=f"keep {keeper.label}")
            await self._stop_requested.wait()
            orderly = await self._stop_all()
        return 0 if orderly and not self._failed else 1

    def stop(self) -> None:
        """Ask for an orderly stop."""
        self._stop_requested.set()

    def kill(self) -> None:
        """End every process at once."""
        for keeper in self._keepers:
            keeper.kill()
        self._around.data.ready_file.unlink(missing_ok=True)

    def on_ready(self, keeper: Keeper, *, pid: int, took_s: float) -> None:
        """Say so, and bring ready.json up to date."""
        again = keeper in self._entries
        self._entries[keeper] = _entry(keeper.program, pid=pid)
        self._around.terminal.progress(
            f"  {keeper.label:<22} ready {'again ' if again else ''}in {took_s:.1f} s"
        )
        if self._complete:
            ready_file.write(self._around.data.ready_file, self._snapshot())
        elif len(self._entries) == len(self._keepers):
            self._complete = True
            snapshot = self._snapshot()
            ready_file.write(self._around.data.ready_file, snapshot)
            took = time.monotonic() - self._began
            self._around.terminal.announce(announcement(snapshot, took_s=took, data=self._around.data.path))

    def on_slow(self, keeper: Keeper, *, missing: str) -> None:
        """Say what a process that was started again waits for."""
        self._around.terminal.complain(f"{keeper.label} is still not ready: {missing}")

    def on_end(self, keeper: Keeper, *, cause: str, delay_s: float) -> None:
        """Say that a process ended."""
        self._around.terminal.complain(f"{keeper.label} {cause}; started again in {delay_s:g} s")

    def on_failed_start(self, keeper: Keeper, *, cause: str) -> None:
        """Show the end of the log and give the whole start up."""
        log = keeper.program.log
        lines = "".join(f"\n    {line}" for line in log.last_lines(_TAIL_LINES))
        self._around.terminal.complain(f"{keeper.label} {cause}; its log is {log.path}{lines}")
        self._failed = True
        self.stop()

    def _keepers_of(self, wave: Sequence[Row], watch: Watch) -> list[Keeper]:
        earlier = self._keepers
        needs = {row.name: set(row.needs) for row in wave}
        return [
            Keeper(
                program,
                needs=[keeper for keeper in earlier if keeper.program.name in needs[program.name]],
                watch=watch,
                audience=self,
                start_deadline_s=self._around.settings.start_deadline_s,
            )
            for program in self._assembly.programs
            if program.name in needs
        ]

    def _snapshot(self) -> Snapshot:
        entries = [self._entries[keeper] for keeper in self._keepers if keeper in self._entries]
        return Snapshot(
            nats_url=self._assembly.observer_url(),
            mongodb_url=self._assembly.shown_mongodb_url(),
            api_key=self._around.secrets.admin_key,
            services=[entry for entry in entries if isinstance(entry, ServiceEntry)],
            infrastructure=[entry for entry in entries if isinstance(entry, Infrastructure)],
        )

    async def _stop_all(self) -> bool:
        self._around.data.ready_file.unlink(missing_ok=True)
        self._around.terminal.progress("stopping")
        until = time.monotonic() + STOP_S
        killed: list[str] = []
        for later, wave in reversed(list(enumerate(self._waves))):
            patience_s = until - time.monotonic() - reserve_s(later_waves=later)
            killed += await _stop_wave(wave, patience_s=max(patience_s, 0.1))
        for label in killed:
            self._around.terminal.complain(f"{label} did not stop in time and was killed")
        if not killed:
            self._around.terminal.progress("stopped")
        return not killed


def reserve_s(*, later_waves: int) -> float:
    """Return the time that must be left for the waves that stop later; the last of them holds the store."""
    if later_waves == 0:
        return 0.0
    return later_waves * _SHARE_OF_LATER_WAVES_S + _SHARE_OF_INFRASTRUCTURE_S


async def _stop_wave(wave: Sequence[Keeper], *, patience_s: float) -> list[str]:
    async with asyncio.TaskGroup() as group:
        stops = {
            keeper.label: group.create_task(keeper.stop(patience_s=patience_s), name=f"stop {keeper.label}")
            for keeper in wave
        }
    return [label for label, stop in stops.items() if not stop.result()]


def _entry(program: Program, *, pid: int) -> ServiceEntry | Infrastructure:
    if isinstance(program, ServiceProgram):
        return ServiceEntry(
            name=program.name,
            replica=program.said.replica,
            pid=pid,
            health=program.health_url,
            urls=program.urls,
        )
    health = program.health_url if isinstance(program, NatsProgram) else None
    return Infrastructure(name=program.name, pid=pid, health=health)
