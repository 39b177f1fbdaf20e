"""``python -m tools.simulator``."""

import asyncio
import sys
from collections.abc import Sequence

import uvloop

from tools.simulator.options import parse
from tools.simulator.problem import SimulatorError
from tools.simulator.simulation import Simulation
from tools.simulator.stack import find

_INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """Simulate; returns the exit code, see ``--help``."""
    options = parse(arguments)
    try:
        return uvloop.run(Simulation(options, find(options)).run())
    except SimulatorError as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 2
    except (asyncio.CancelledError, KeyboardInterrupt):
        print("simulator: stopped; nothing was verified", file=sys.stderr)
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
