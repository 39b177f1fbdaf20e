"""The arguments of ``python -m deploy.local``, and its problems in one line each."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.local import foreground, status
from deploy.local.problem import RunnerError
from deploy.local.settings import load
from deploy.local.table import TABLE, Row

_EXAMPLES = """
examples:
  python -m deploy.local run                             everything, as `make run` does
  python -m deploy.local run --only endpoint-register    that and what it needs
  GROVE_HTTP_PORT=0 python -m deploy.local run           any free port for devices
  GROVE_LOCAL_REPLICAS=endpoint-register=2 python -m deploy.local run
  python -m deploy.local status                          how the running stack is

Ports, addresses and keys come from GROVE_ variables: see the README.
"""


def main(arguments: Sequence[str], *, environ: Mapping[str, str], table: Sequence[Row] = TABLE) -> int:
    """Run a command; return the exit code: 0 all well, 1 failed, 2 refused before anything was started."""
    options = _parser(table).parse_args(arguments)
    if options.data_dir is not None:
        environ = {**environ, "GROVE_DATA_DIR": options.data_dir}
    try:
        if options.command == "status":
            return status.show(Path(load(environ).data_dir) / "ready.json")
        return foreground.run(table, only=options.only, quiet=options.quiet, environ=environ)
    except RunnerError as error:
        print(f"olivegrove: {error}", file=sys.stderr)
        return 2


def _parser(table: Sequence[Row]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.local",
        description="Run all of Olivegrove on this machine.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="start everything, stay in the foreground, stop with Ctrl-C")
    status_parser = commands.add_parser("status", help="ask every process of the running stack how it is")
    for command in (run, status_parser):
        command.add_argument(
            "--data-dir", metavar="DIR", help="where all state is kept (default: GROVE_DATA_DIR, or .data)"
        )
    run.add_argument(
        "--only",
        metavar="NAMES",
        type=lambda text: [name.strip() for name in text.split(",") if name.strip()],
        default=[],
        help=f"start only these, comma separated, and what they need: {', '.join(row.name for row in table)}",
    )
    run.add_argument(
        "--quiet", action="store_true", help="no progress and no log lines, only addresses and problems"
    )
    return parser
