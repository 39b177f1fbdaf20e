"""Where the running stack is: what was given on the command line wins, ready.json tells the rest."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.simulator.options import Options
from tools.simulator.problem import SimulatorError


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where operators and devices go.

    Attributes:
        api: REST.
        devices: MQTT or HTTP, whichever devices speak.
        key: An API key.
    """

    api: str
    devices: str
    key: str


def find(options: Options) -> Addresses:
    """Tell where the stack is.

    Raises:
        SimulatorError: Nothing is running there, or it does not run all that is needed.
    """
    given = {"api": options.api, options.protocol: getattr(options, options.protocol), "apiKey": options.key}
    ready = {} if all(given.values()) else _ready(options.data_dir / "ready.json", options)
    known: dict[str, str] = {}
    for name, value in given.items():
        found = value or ready.get(name)
        if not isinstance(found, str) or not found:
            option = "key" if name == "apiKey" else name
            raise SimulatorError(f"the stack in {options.data_dir} has no {name}: name it with --{option}")
        known[name] = found
    return Addresses(api=known["api"], devices=known[options.protocol], key=known["apiKey"])


def _ready(path: Path, options: Options) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise SimulatorError(
            f"no stack is running: there is no {path}; start one with `make run`, "
            f"or say where it is with --api, --{options.protocol} and --key"
        ) from None
    except (OSError, ValueError) as error:
        raise SimulatorError(
            f"cannot read {path}: {error}; is --data-dir that of a running stack?"
        ) from error
    return content if isinstance(content, dict) else {}
