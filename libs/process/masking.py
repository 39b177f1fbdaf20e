"""Keep secrets out of what people read: log lines and the failures that /ready names.

Two nets. A field whose name looks like a secret is masked whatever it holds; a text is searched for
the shapes in which secrets travel here: credentials in a URL, an Authorization header, the endpoint
token of a KP1 path. Neither is an excuse to log a secret; both catch the exception text or the
library message that nobody thought of.
"""

import functools
import re
from collections.abc import Mapping
from typing import Any

MASK = "***"

_SECRET_WORDS = frozenset(
    {
        "apikey",
        "authorization",
        "cookie",
        "credential",
        "credentials",
        "passwd",
        "password",
        "secret",
        "secrets",
        "token",
        "tokens",
    }
)
# token_id and token_state tell about a secret, they are none.
_HARMLESS_LAST_WORDS = frozenset({"id", "ids", "count", "state"})
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SHAPES = re.compile(
    r"(?P<before>://)[^/\s@]+(?P<after>@)"
    r"|(?P<kp1>\bkp1/[^/\s]+/[^/\s]+/)[^/\s\"']+"
    r"|(?P<scheme>\b(?:[Bb]earer|[Bb]asic)\s+)[\w.~+/=-]{8,}",
)


@functools.lru_cache(maxsize=1024)  # names of fields are few, and each log line asks about a dozen
def looks_secret(name: str) -> bool:
    """Whether a field of this name would hold a secret: a whole word of it says so."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words or words[-1] in _HARMLESS_LAST_WORDS:
        return False
    return words[-1] == "key" or not _SECRET_WORDS.isdisjoint(words)


def mask_text(text: str) -> str:
    """Blank the secrets that have a recognisable shape."""
    return _SHAPES.sub(_masked, text)


def mask_fields(fields: Mapping[Any, Any]) -> dict[Any, Any]:
    """Mask secret-looking names and recognisable secrets, at any depth."""
    return {
        key: MASK if isinstance(key, str) and looks_secret(key) else _mask(value)
        for key, value in fields.items()
    }


def _mask(value: Any) -> Any:  # noqa: ANN401 - log fields hold anything
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, Mapping):
        return mask_fields(value)
    if isinstance(value, list | tuple):
        return [_mask(item) for item in value]
    return value


def _masked(match: re.Match[str]) -> str:
    kept = (match["before"], match["kp1"], match["scheme"])
    return "".join(part for part in kept if part) + MASK + (match["after"] or "")
