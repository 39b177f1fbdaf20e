"""``python -m tools.grove``."""

import asyncio
import os
import sys
from argparse import Namespace
from collections.abc import Sequence

from tools.grove.addresses import Places, Target, find
from tools.grove.command import Call
from tools.grove.completion import script
from tools.grove.login import asked, asked_secret, login, logout
from tools.grove.options import children, parse, parser
from tools.grove.output import Output, note, silence
from tools.grove.problem import INTERRUPTED, WRONG, CommandError
from tools.grove.rest import connected


def main(arguments: Sequence[str]) -> int:
    """Carry out one command; returns the exit code, see ``--help``."""
    args = parse(arguments)
    places = Places(os.environ, args.data_dir)  # noqa: TID251 - a program for people, no service
    try:
        target = asked(args.url, places) if args.word == "login" else None
        if getattr(args, "token", None) == "-":
            args.token = asked_secret("token")
        code = asyncio.run(_run(args, places, target))
        print(end="", flush=True)  # here, where a failure can be told, and not when Python ends
    except CommandError as error:
        note(f"grove: {error}")
        return error.code
    except UnicodeEncodeError:  # of arguments alone: what is shown is written so that it can be
        note("grove: an argument is no text in UTF-8")
        return WRONG
    except (KeyboardInterrupt, asyncio.CancelledError):
        note("\ngrove: stopped")
        return INTERRUPTED
    except BrokenPipeError:
        silence()
        return 0
    return code


async def _run(args: Namespace, places: Places, target: Target | None) -> int:
    if args.word == "completion":
        print(script(parser(), args.shell, children=children), end="")
    elif target is not None:
        await login(target, places)
    elif args.word == "logout":
        logout(places)
    else:
        async with connected(find(places)) as rest:
            out = Output(as_json=getattr(args, "json", False))
            return await args.command.run(Call(rest, out, args)) or 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
