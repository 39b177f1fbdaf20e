"""Run the stack in the foreground of a terminal: checks first, then processes, signals and a clean end."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp

from deploy.local.assembly import Surroundings
from deploy.local.children import Watch
from deploy.local.data_directory import DataDirectory
from deploy.local.disk import check_space, volume_of
from deploy.local.kept_secrets import load_or_make
from deploy.local.nats_users import user_names
from deploy.local.order import selected, with_replicas
from deploy.local.preflight import check_installed, check_ports, wanted_ports
from deploy.local.process_log import ProcessLog
from deploy.local.settings import LocalSettings, load, replica_counts
from deploy.local.supervisor import Supervisor
from deploy.local.table import Kind, Row
from deploy.local.terminal import Terminal, stdout, wants_colour
from libs.process.settings import VOLATILE_ACCEPTED

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(table: Sequence[Row], *, only: Sequence[str], quiet: bool, environ: Mapping[str, str]) -> int:
    """Run the rows until a signal asks for the end; return the exit code.

    Raises:
        RunnerError: Something that must hold before the start does not.
    """
    settings = load(environ)
    rows = to_run(table, only=only, settings=settings)
    check_installed(rows)
    data = DataDirectory(Path(settings.data_dir))
    with data.held():
        data.ready_file.unlink(missing_ok=True)
        check_ports(list(wanted_ports(rows, settings)))
        space = check_space(volume_of(data.path), settings)
        secrets = load_or_make(
            data.secrets_file,
            nats_users=user_names(),
            secrets_key=settings.secrets_key,
            admin_key=settings.admin_key,
        )
        terminal = Terminal(
            stdout(),
            colour=wants_colour(sys.stdout, no_color=environ.get("NO_COLOR", "")),
            quiet=quiet,
            journal=ProcessLog(data.log("runner", 0), max_bytes=settings.log_bytes),
        )
        try:
            terminal.progress(f"Olivegrove starts; its data is in {data.path}")
            if space is not None:
                terminal.complain(f"warning: {space}")
            if settings.nats_url is not None and settings.nats_durability == VOLATILE_ACCEPTED:
                terminal.complain("warning: NATS may lose what it acknowledged; that was accepted")
            around = Surroundings(
                settings=settings, environ=environ, data=data, secrets=secrets, terminal=terminal
            )
            return asyncio.run(_supervise(rows, around))
        finally:
            terminal.close()


def to_run(table: Sequence[Row], *, only: Sequence[str], settings: LocalSettings) -> tuple[Row, ...]:
    """Return the rows to start: those asked for, without a server for which an address was given."""
    given = {Kind.NATS: settings.nats_url, Kind.STORE: settings.mongodb_url}
    rows = tuple(row for row in selected(table, only) if given.get(row.kind) is None)
    return with_replicas(rows, replica_counts(settings.replicas))


async def _supervise(rows: Sequence[Row], around: Surroundings) -> int:
    watch = Watch(around.data.ready_file.resolve())
    try:
        async with aiohttp.ClientSession() as session:
            supervisor = Supervisor(rows, around, watch=watch, session=session)
            _stop_on_signals(supervisor, around.terminal)
            try:
                return await supervisor.run()
            finally:
                supervisor.kill()
    finally:
        watch.close()


def _stop_on_signals(supervisor: Supervisor, terminal: Terminal) -> None:
    loop = asyncio.get_running_loop()
    received: list[signal.Signals] = []

    def on_signal(number: signal.Signals) -> None:
        received.append(number)
        if len(received) == 1:
            supervisor.stop()
            return
        supervisor.kill()
        terminal.complain("killed at once")
        terminal.close()
        os._exit(128 + number)

    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
