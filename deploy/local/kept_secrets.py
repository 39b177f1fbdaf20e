"""Keys and passwords of the local stack: made once, kept in the data directory, overruled by the environment.

Losing the file loses what is encrypted under its key, so an unreadable one stops the start instead of being
replaced.
"""

import json
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.private_file import write_private
from deploy.local.problem import RunnerError

_KEY_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class KeptSecrets:
    """What is in the file, less what the environment decides."""

    secrets_key: str
    admin_key: str
    nats_passwords: dict[str, str]


def load_or_make(
    path: Path, *, nats_users: Collection[str], secrets_key: str | None, admin_key: str | None
) -> KeptSecrets:
    """Read the file, make what is missing in it, and let the given keys win; given keys are never stored.

    Raises:
        RunnerError: The file exists but is not what we wrote.
    """
    kept = _read(path)
    before = json.dumps(kept)
    passwords: dict[str, str] = kept.setdefault("nats", {})
    for user in nats_users:
        _keep(passwords, user)
    result = KeptSecrets(
        secrets_key=secrets_key or _keep(kept, "secretsKey"),
        admin_key=admin_key or _keep(kept, "adminKey"),
        nats_passwords=passwords,
    )
    if json.dumps(kept) != before:
        write_private(path, json.dumps(kept, indent=2) + "\n")
    return result


def _new() -> str:
    return secrets.token_urlsafe(_KEY_BYTES)


def _keep(kept: dict[str, Any], name: str, make: Callable[[], str] = _new) -> str:
    value = kept.setdefault(name, make())
    return str(value)


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise RunnerError(f"cannot read {path}: {error.strerror}") from error
    try:
        kept = json.loads(text)
    except ValueError:
        kept = None
    if not isinstance(kept, dict) or not isinstance(kept.get("nats", {}), dict):
        raise RunnerError(f"{path} is damaged: restore it, or move the data directory away to start anew")
    return kept
