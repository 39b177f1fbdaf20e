"""What an HTTP request is in KP1: pure rules about targets.

Nothing is normalised: ``..``, ``//`` and a trailing slash mean what they say, and each level is
percent-decoded by itself, so that an encoded slash can never move a level.
"""

import re
from urllib.parse import unquote_to_bytes

from libs.contracts.errors import BadRequestError

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def levels_of(target: str) -> list[str]:
    """Take the levels of a request target apart; a query is ignored.

    Args:
        target: As on the request line: ``/kp1/...`` or ``http://host/kp1/...``.

    Raises:
        BadRequestError: A fragment, a malformed escape, or bytes that are not UTF-8.
    """
    path = target.partition("?")[0]
    if "#" in path:
        raise BadRequestError("a request path has no fragment")
    if not path.startswith("/"):
        path = "/" + path.partition("://")[2].partition("/")[2]
    if "%" not in path and path.isascii():
        return path[1:].split("/")
    return [_decoded(level) for level in path[1:].split("/")]


def _decoded(level: str) -> str:
    if _BAD_ESCAPE.search(level):
        raise BadRequestError("path holds a malformed percent escape")
    try:
        # aiohttp decodes the request line with surrogates for bytes that are not UTF-8.
        return unquote_to_bytes(level.encode("utf-8", "surrogateescape")).decode()
    except UnicodeDecodeError:
        raise BadRequestError("path is not UTF-8") from None
