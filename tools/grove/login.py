"""``login`` and ``logout``: a key is asked for without an echo, tried, and kept for its owner alone."""

import getpass
import sys

from tools.grove.addresses import Places, Target, checked, checked_key, forget, keep, local
from tools.grove.output import note
from tools.grove.problem import AWAY, WRONG, CommandError
from tools.grove.rest import connected


def asked(url: str | None, places: Places) -> Target:
    """Ask for an address and a key; not in a loop, which would keep Ctrl-C from the question.

    Raises:
        CommandError: One of them is none.
    """
    api = checked(url or _asked_url(local(places) or "http://127.0.0.1:8090"))
    return Target(api, checked_key(asked_secret("API key")))


def asked_secret(what: str) -> str:
    """Ask for one without an echo, or read a line where nobody can be asked.

    Raises:
        CommandError: None is given.
    """
    if sys.stdin is None:
        raise CommandError(f"nobody can be asked for the {what}: standard input is closed", code=WRONG)
    try:
        given = getpass.getpass(f"{what} (not shown): ") if sys.stdin.isatty() else sys.stdin.readline()
    except EOFError as error:
        raise CommandError(f"no {what} was given", code=WRONG) from error
    except UnicodeDecodeError as error:
        raise CommandError(f"that is no {what}: it is no text in UTF-8", code=WRONG) from error
    if not given.strip():
        raise CommandError(f"no {what} was given", code=WRONG)
    return given.strip()


async def login(target: Target, places: Places) -> None:
    """Keep an address and a key once the platform has taken the key.

    Raises:
        CommandError: It does not take it, or cannot be asked.
    """
    async with connected(target) as rest:
        me = await rest.call("GET", "/auth/api/v1/me")
    if not isinstance(me, dict) or not {"name", "scope"} <= me.keys():
        raise CommandError(f"{target.api} answers, but is no Olivegrove", code=AWAY)
    place = keep(target, places)
    note(f"logged in at {target.api} with the key {me['name']!a} (scope {me['scope']}); kept in {place}")


def logout(places: Places) -> None:
    """Forget what was kept."""
    note("logged out; revoke the key if nobody needs it" if forget(places) else "there was no login")


def _asked_url(default: str) -> str:
    if sys.stdin is None or not sys.stdin.isatty():
        return default
    try:
        return input(f"Address of the REST API [{default}]: ").strip() or default
    except EOFError as error:
        raise CommandError("no address was given", code=WRONG) from error
