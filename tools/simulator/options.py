"""The arguments of ``python -m tools.simulator``; pure."""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NoReturn
from urllib.parse import urlsplit

Protocol = Literal["mqtt", "http"]

_MAX_TREES: Final = 10_000
_MAX_RATE: Final = 1000.0
_EXAMPLES: Final = """
examples:
  python -m tools.simulator                             20 trees, a sample a second each, until Ctrl-C
  python -m tools.simulator --gateway --duration 60     one MQTT connection speaks for all, one minute
  python -m tools.simulator --protocol http --rate 0.2  each tree every five seconds over HTTP
  python -m tools.simulator --day 120                   a day of weather passes in two minutes
  python -m tools.simulator --api http://127.0.0.1:8090 --mqtt mqtt://127.0.0.1:1883 --key grove_...

exit code: 0 all was acknowledged and is stored, 1 something acknowledged is missing,
2 not started, not acknowledged, refused or not verified, 130 ended by a second Ctrl-C
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for; see ``--help``. Addresses and key are None where ready.json has to tell them."""

    trees: int
    rate_hz: float
    duration_s: float | None
    protocol: Protocol
    gateway: bool
    application: str | None
    seed: int
    day_s: float
    settle_s: float
    data_dir: Path
    api: str | None
    mqtt: str | None
    http: str | None
    key: str | None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """End with one line: the usage would hide what is wrong."""
        self.exit(2, f"simulator: {message}; --help lists all options\n")


def parse(arguments: Sequence[str], *, prog: str = "python -m tools.simulator") -> Options:
    """Read the arguments; ends the program with one clear line where they are wrong."""
    parser = _parser(prog)
    found = parser.parse_args(arguments)
    if found.gateway and found.protocol != "mqtt":
        parser.error("--gateway is one MQTT connection for all trees: leave it out, or --protocol http")
    return Options(**vars(found))


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=prog,
        description="Simulate an olive grove: make endpoints, send telemetry, verify that it is stored.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _what(parser.add_argument_group("what is sent"))
    _where(parser.add_argument_group("where to", "without these the stack of `make run` is found by itself"))
    return parser


def _what(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--trees", type=_count, default=20, metavar="N", help="endpoints to make (default 20)")
    group.add_argument(
        "--rate",
        dest="rate_hz",
        type=_rate,
        default=1.0,
        metavar="PER_S",
        help="samples a second of each tree (default 1)",
    )
    group.add_argument(
        "--duration",
        dest="duration_s",
        type=_seconds,
        metavar="SECONDS",
        help="how long to send (default: until Ctrl-C)",
    )
    group.add_argument(
        "--protocol", choices=("mqtt", "http"), default="mqtt", help="how devices speak (default mqtt, QoS 1)"
    )
    group.add_argument(
        "--gateway", action="store_true", help="one MQTT connection for all trees instead of one each"
    )
    group.add_argument(
        "--application",
        metavar="NAME",
        help="where the trees go; made when it is not there (default: a new one with a name of its own)",
    )
    group.add_argument("--seed", type=int, default=1, help="the same seed, the same weather (default 1)")
    group.add_argument(
        "--day",
        dest="day_s",
        type=_seconds,
        default=86_400.0,
        metavar="SECONDS",
        help="length of a simulated day (default 86400)",
    )
    group.add_argument(
        "--settle",
        dest="settle_s",
        type=_seconds,
        default=30.0,
        metavar="SECONDS",
        help="how long to wait in the end for what is not acknowledged, and again for what is not stored "
        "(default 30)",
    )


def _where(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--data-dir",
        type=Path,
        default=Path(".data"),
        metavar="DIR",
        help="data directory of the running stack (default .data)",
    )
    group.add_argument("--api", type=_web, metavar="URL", help="REST, such as http://127.0.0.1:8090")
    group.add_argument("--mqtt", type=_broker, metavar="URL", help="devices, such as mqtt://127.0.0.1:1883")
    group.add_argument("--http", type=_web, metavar="URL", help="devices, such as http://127.0.0.1:8080")
    group.add_argument("--key", help="an API key with scope write or admin")


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= _MAX_TREES:
        raise argparse.ArgumentTypeError(f"{text!a} is not a number from 1 to {_MAX_TREES}")
    return int(text)


def _rate(text: str) -> float:
    rate = _seconds(text)
    if rate > _MAX_RATE:
        raise argparse.ArgumentTypeError(f"{text} is above {_MAX_RATE:g} samples a second; use more trees")
    return rate


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value <= 0:
        raise argparse.ArgumentTypeError(f"{text!a} is not a number above 0")
    return value


def _web(text: str) -> str:
    return _url(text, schemes=("http", "https"), example="http://127.0.0.1:8090")


def _broker(text: str) -> str:
    return _url(text, schemes=("mqtt", "tcp"), example="mqtt://127.0.0.1:1883")


def _url(text: str, *, schemes: Sequence[str], example: str) -> str:
    try:
        parts = urlsplit(text)
        named = parts.scheme in schemes and parts.hostname and parts.port
    except ValueError:
        named = None
    if not named:
        raise argparse.ArgumentTypeError(f"{text!a} is not an address such as {example}")
    return text.rstrip("/")
