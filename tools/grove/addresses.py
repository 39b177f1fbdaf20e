"""Where the platform is, and with which key: the environment, then what ``login`` kept, then ``make run``.

A key that was kept for one address is never sent to another.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from deploy.local.private_file import write_private
from tools.grove.problem import WRONG, CommandError

URL: Final = "GROVE_API_URL"
KEY: Final = "GROVE_API_KEY"
_NEXT: Final = f"log in with `python -m tools.grove login`, set {URL} and {KEY}, or start `make run` here"


@dataclass(frozen=True, slots=True)
class Target:
    """A platform and a key for it; the key is shown nowhere."""

    api: str
    key: str

    def __repr__(self) -> str:
        """Name the platform only."""
        return f"Target({self.api})"


@dataclass(frozen=True, slots=True)
class Places:
    """Where to look.

    Attributes:
        environ: The environment of the program.
        data_dir: Data directory of a local stack.
    """

    environ: Mapping[str, str]
    data_dir: Path

    @property
    def kept(self) -> Path:
        """The file of ``login``."""
        home = (
            self.environ.get("XDG_CONFIG_HOME") or Path(self.environ.get("HOME") or Path.home()) / ".config"
        )
        return Path(home) / "olivegrove" / "login.json"


def find(places: Places) -> Target:
    """Tell where to go.

    Raises:
        CommandError: Nothing says where, or with which key.
    """
    api, key = places.environ.get(URL), places.environ.get(KEY)
    if api and key:  # then nothing else matters, not even what cannot be read
        return Target(checked(api), checked_key(key))
    kept = _read(places.kept)
    ready = _read(places.data_dir / "ready.json")
    known = [(kept.get("url"), kept.get("key")), (ready.get("api"), ready.get("apiKey"))]
    api = api or next((url for url, its_key in known if url and (key or its_key)), None)
    if not api:
        raise CommandError(f"nothing says where the platform is: {_NEXT}", code=WRONG)
    api = checked(api)
    key = key or next((its_key for url, its_key in known if its_key and url and url.rstrip("/") == api), None)
    if not key:
        raise CommandError(f"there is no key for {api}: set {KEY}, or log in there", code=WRONG)
    return Target(api, checked_key(key))


def local(places: Places) -> str | None:
    """Address of the stack that runs here, if one does."""
    return _read(places.data_dir / "ready.json").get("api")


def keep(target: Target, places: Places) -> Path:
    """Keep a login for later, readable by its owner alone; returns where."""
    places.kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(places.kept, json.dumps({"url": target.api, "key": target.key}) + "\n")
    return places.kept


def forget(places: Places) -> bool:
    """Forget the login; False = there was none."""
    there = places.kept.exists()
    places.kept.unlink(missing_ok=True)
    return there


def checked(url: str) -> str:
    """Accept an address.

    Raises:
        CommandError: It is none.
    """
    if "@" in url:  # not shown: it may be a password
        raise CommandError("an address has no user and no password in it: the key is enough", code=WRONG)
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        good = good and not (parts.query or parts.fragment)
    except ValueError:
        good = None
    if not good:
        raise CommandError(f"{url!a} is not an address such as http://127.0.0.1:8090", code=WRONG)
    return url.rstrip("/")


def checked_key(key: str) -> str:
    """Accept what may be an API key.

    Raises:
        CommandError: It is none.
    """
    key = key.strip()
    if not key or not key.isascii() or not key.isprintable():
        raise CommandError("that is no API key: it was shown at its creation, one word", code=WRONG)
    return key


def _read(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CommandError(f"cannot read {path}: {error}; remove it, or log in again", code=WRONG) from error
    members = content.items() if isinstance(content, dict) else ()
    return {name: value for name, value in members if isinstance(value, str)}
