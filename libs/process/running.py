"""The life of a process, from the environment to the exit code.

===== ==========================================================================
exit  means
===== ==========================================================================
0     asked to stop, and everything in flight was finished
1     could not be built, a root task ended, or draining failed or overran
2     settings: one line on standard error says everything that is wrong
128+n ended by a second signal without waiting
===== ==========================================================================
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NoReturn

import structlog
from prometheus_client import Gauge

from libs.contracts.errors import StartRefusedError
from libs.contracts.version import VERSION
from libs.process.connection_limits import ConnectionLimits
from libs.process.environment import load_settings
from libs.process.fields import SettingsError
from libs.process.health import Phase
from libs.process.lifecycle import Build, Process
from libs.process.logs import configure_logs
from libs.process.loop_lag import sample_loop_lag
from libs.process.management import Management
from libs.process.masking import mask_text
from libs.process.port_file import remove_port_file, write_port_file
from libs.process.serving import HttpServer
from libs.process.settings import ProcessSettings
from libs.process.signals import end_after, stop_on_signals
from libs.process.variables import KNOWN

_INFO = Gauge(
    "grove_process_info", "Always 1; the labels say who this is.", ["service", "replica", "version"]
)

_HEALTH_LIMITS = ConnectionLimits(max_connections=64, head_s=5.0, idle_s=30.0, stall_s=10.0)

_log = structlog.get_logger()


def run(name: str, build: Build, *, known: Collection[str] = KNOWN) -> NoReturn:
    """Be the service `name` until told to stop, then exit.

    Args:
        name: With hyphens: "endpoint-register".
        build: The service's composition root.
        known: Names of variables that may be set; any other ``GROVE_`` name is refused.
    """
    environ = os.environ  # noqa: TID251 - the one place that reads it; everything else is handed values
    sys.exit(_run(name, build, environ=environ, known=known))


def _run(name: str, build: Build, *, environ: Mapping[str, str], known: Collection[str]) -> int:
    try:
        settings = load_settings(ProcessSettings, environ, known=known)
    except SettingsError as error:
        _tell(name, f"bad settings: {error}")
        return 2
    process = Process(name, settings=settings, environ=environ)
    configure_logs(service=name, replica=process.replica, level=settings.log_level)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_serve_until_signal(process, build))


async def _serve_until_signal(process: Process, build: Build) -> int:
    stop_on_signals(process.stop)
    return await serve(process, build, on_stopping=lambda: end_after(process.settings.stop_deadline_s))


async def serve(process: Process, build: Build, *, on_stopping: Callable[[], None] = lambda: None) -> int:
    """Build the service, serve until ``process.stop`` is called by anyone, drain; return the exit code.

    The order of the end: unready; the stop callbacks in reverse; the root tasks; last the health port.

    Args:
        process: New; it cannot be served twice.
        build: The service's composition root.
        on_stopping: Called once when the end begins.
    """
    _log.info("process.starting", version=VERSION, pid=os.getpid())
    management = await _open_management(process)
    if management is None:
        return 1
    try:
        async with process.tasks:
            process.supervise("event loop lag", sample_loop_lag())
            exit_code = await _build_and_serve(process, build, on_stopping)
    finally:
        with contextlib.suppress(TimeoutError):  # a scraper that will not read its answer is not work
            await management.stop(linger_s=0.0)
    _log.info("process.stopped", exit_code=exit_code)
    return exit_code


async def _open_management(process: Process) -> HttpServer | None:
    app = Management(process.health, service=process.name, replica=process.replica).app()
    server = HttpServer(app, in_flight_s=1.0, listener="health", limits=_HEALTH_LIMITS)
    try:
        process.ports["health"] = await server.start(
            bind=process.settings.bind, port=process.settings.health_port
        )
    except (OSError, UnicodeError) as error:  # UnicodeError: a GROVE_BIND that no name can be
        _tell(process.name, f"cannot open the health port on {process.settings.bind}: {error}")
        return None
    _INFO.labels(process.name, process.replica, VERSION).set(1)
    return server


async def _build_and_serve(process: Process, build: Build, on_stopping: Callable[[], None]) -> int:
    async with asyncio.TaskGroup() as group:
        building = group.create_task(_build(process, build), name="build")
        ending = await process.wait_for_stop()
        process.health.phase = Phase.STOPPING
        on_stopping()
        _log.info("process.stopping", reason=ending.reason, deadline_s=process.settings.stop_deadline_s)
        building.cancel()
        await asyncio.wait({building})
        clean = await process.drain.run(deadline_s=process.settings.stop_deadline_s)
    if process.settings.port_file is not None:
        remove_port_file(Path(process.settings.port_file), replica=process.replica)
    return ending.exit_code or (0 if clean else 1)


async def _build(process: Process, build: Build) -> None:
    try:
        await build(process)
        if process.settings.port_file is not None:
            write_port_file(Path(process.settings.port_file), replica=process.replica, ports=process.ports)
    except SettingsError as error:
        _tell(process.name, f"bad settings: {error}")
        process.stop("bad settings", exit_code=2)
    except StartRefusedError as error:
        _tell(process.name, f"cannot start: {error}")
        process.stop("start refused", exit_code=2)
    except Exception as error:  # noqa: BLE001 - whatever it was, what was opened is stopped in order
        _log.error("process.not_built", exc_info=error)
        _tell(process.name, f"cannot start: {type(error).__name__}: {error}")
        process.stop("not built", exit_code=1)
    else:
        if not process.stopping:
            process.health.phase = Phase.SERVING
            _log.info("process.ready", ports=process.ports)


def _tell(name: str, text: str) -> None:
    """Write the one line for people; whatever the text, it stays one line without secrets."""
    sys.stderr.write(f"{name}: {mask_text(' '.join(text.split()))}\n")
    sys.stderr.flush()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - optional: not on every platform
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
