"""Metadata on the command line: ``key=text`` and ``key:=json``."""

import re
from collections.abc import Sequence
from typing import Final

from libs.contracts.errors import GroveError
from libs.contracts.payload import decode_json
from tools.grove.problem import WRONG, CommandError

_ASSIGNMENT: Final = re.compile(r"(?P<key>[A-Za-z0-9_]+)(?P<sign>:?=)(?P<value>.*)", re.DOTALL)
_KEY: Final = re.compile(r"[A-Za-z0-9_]+")


def assignments(texts: Sequence[str]) -> dict[str, object]:
    """Read assignments.

    Raises:
        CommandError: One is none, or a key is there twice.
    """
    found: dict[str, object] = {}
    for text in texts:
        match = _ASSIGNMENT.fullmatch(text)
        if match is None:
            raise CommandError(
                f"{text!a} is not key=text or key:=json; keys are letters, digits and _", code=WRONG
            )
        if match["key"] in found:
            raise CommandError(f"{match['key']} is given twice", code=WRONG)
        found[match["key"]] = match["value"] if match["sign"] == "=" else _json(match["value"])
    return found


def unset_keys(texts: Sequence[str]) -> Sequence[str]:
    """Read names of keys.

    Raises:
        CommandError: One is none.
    """
    for text in texts:
        if not _KEY.fullmatch(text):
            raise CommandError(f"{text!a} is no metadata key: letters, digits and _", code=WRONG)
    return texts


def _json(text: str) -> object:
    try:
        return decode_json(text.encode())
    except UnicodeEncodeError:
        raise CommandError(f"{text!a} is no text in UTF-8", code=WRONG) from None
    except GroveError as error:
        problem = error.reason_phrase
        raise CommandError(f"{text!a}: {problem}; for a text write key=text", code=WRONG) from None
