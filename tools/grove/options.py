"""The arguments of ``python -m tools.grove``, read by the table of commands; pure."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from tools.grove.command import Command
from tools.grove.commands import COMMANDS
from tools.grove.completion import SHELLS
from tools.grove.problem import WRONG

PROG: Final = "python -m tools.grove"
_GROUPS: Final = {
    "apps": "applications",
    "versions": "versions of applications",
    "endpoints": "endpoints and their metadata",
    "tokens": "tokens of endpoints",
    "keys": "API keys",
}
_EPILOG: Final = """
where: GROVE_API_URL and GROVE_API_KEY, else what `login` kept, else the stack of `make run` in .data

exit code: 0 done, 1 refused (or some rows of an import were), 2 the command is wrong or there is no login,
3 the platform cannot be reached or is not available, 130 ended by Ctrl-C
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """End with one line: the usage would hide what is wrong."""
        if message.startswith("unrecognized"):
            message += " (options stand behind everything else)"
        self.exit(WRONG, f"grove: {message}; `{self.prog} --help` says what there is\n")


def parser() -> argparse.ArgumentParser:
    """Make the parser of all commands."""
    top = _Parser(
        prog=PROG,
        description="Olivegrove from the terminal: applications, endpoints, tokens, keys, tables.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    words = top.add_subparsers(metavar="COMMAND", required=True, dest="word", parser_class=_Parser)
    login = words.add_parser("login", help="keep an address and a key for later commands")
    login.add_argument("--url", help="address of the REST API (default: ask)")
    words.add_parser("logout", help="forget what login kept")
    completion = words.add_parser("completion", help="print a script for the shell that completes commands")
    completion.add_argument("shell", choices=SHELLS)
    groups: dict[str, argparse._SubParsersAction[_Parser]] = {"": words}
    for command in COMMANDS:
        if command.group not in groups:
            group = words.add_parser(command.group, help=_GROUPS[command.group])
            groups[command.group] = group.add_subparsers(
                metavar="COMMAND", required=True, dest="second", parser_class=_Parser
            )
        _add(groups[command.group], command)
    for each in leaves(top):
        each.add_argument(
            "--data-dir",
            type=Path,
            default=Path(".data"),
            metavar="DIR",
            help="data directory of a stack on this machine (default .data)",
        )
    return top


def _add(words: "argparse._SubParsersAction[_Parser]", command: Command) -> None:
    added = words.add_parser(
        command.name, help=command.summary, description=command.summary.capitalize() + ".", allow_abbrev=False
    )
    for arg in command.args:
        added.add_argument(*arg.names, **arg.options)
    if command.has_json:
        added.add_argument("--json", action="store_true", help="answer with JSON, for scripts")
    added.set_defaults(command=command)


def leaves(top: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """Find the parsers of single commands."""
    below = children(top)
    return [leaf for child in below.values() for leaf in leaves(child)] if below else [top]


def children(one: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Find the words that may follow, each with its parser."""
    for action in one._actions:  # noqa: SLF001 - argparse tells its subcommands in no other way
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - the same
            return dict(action.choices)
    return {}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the arguments; ends the program with one clear line where they are wrong."""
    return parser().parse_args(arguments)
