"""``login`` and ``logout``: a key is asked for without an echo, tried, and kept for its owner alone."""

import getpass
import sys

from tools.grove.addresses import Places, Target, checked, forget, keep, local
from tools.grove.output import note
from tools.grove.problem import WRONG, CommandError
from tools.grove.rest import connected


async def login(url: str | None, places: Places) -> None:
    """Ask for an address and a key, and keep them once the platform has taken the key.

    Raises:
        CommandError: It does not take it, or cannot be asked.
    """
    api = checked(url or _asked_url(local(places) or "http://127.0.0.1:8090"))
    key = getpass.getpass("API key (not shown): ") if sys.stdin.isatty() else sys.stdin.readline()
    target = Target(api, key.strip())
    if not target.key.isascii() or not target.key.isprintable() or not target.key:
        raise CommandError(
            "that is no API key; it begins with grove_ and was shown at its creation", code=WRONG
        )
    async with connected(target) as rest:
        me = await rest.call("GET", "/auth/api/v1/me")
    place = keep(target, places)
    note(f"logged in at {api} with the key {me['name']!a} (scope {me['scope']}); kept in {place}")


def logout(places: Places) -> None:
    """Forget what was kept."""
    note("logged out; revoke the key if nobody needs it" if forget(places) else "there was no login")


def _asked_url(default: str) -> str:
    if not sys.stdin.isatty():
        return default
    return input(f"Address of the REST API [{default}]: ").strip() or default
