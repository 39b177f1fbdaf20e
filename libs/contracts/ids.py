"""Names and ids: what each may look like, and how one is read out of another.

Patterns are Kaa's (reference/kaa1.md section 0). Lengths are ours: unbounded names would be
unbounded cache keys and index entries.
"""

import re
from typing import NewType

from libs.contracts.errors import BadRequestError

EndpointId = NewType("EndpointId", str)
ApplicationName = NewType("ApplicationName", str)
AppVersionName = NewType("AppVersionName", str)
TokenId = NewType("TokenId", str)
ApiKeyId = NewType("ApiKeyId", str)

MAX_NAME_LENGTH = 256
"""Longest endpoint id, token, application name or metadata key, characters."""

METADATA_KEY_CHARACTERS = "[a-zA-Z0-9_]"
"""Of which a metadata key is made, as a class of a regular expression."""

_ENDPOINT_ID = re.compile(r"[a-zA-Z0-9._~-]+")
_TOKEN = re.compile(r"[^+#/.]+")
_APPLICATION = re.compile(r"[a-z0-9_-]+")
_SUFFIX = re.compile(r"[a-z0-9]+")
_METADATA_KEY = re.compile(f"{METADATA_KEY_CHARACTERS}+")
_CORRELATION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:~/+=-]{0,127}")


def application_of(version_name: str) -> ApplicationName | None:
    """Read the application out of ``<application>-<suffix>``; None when it is no version name."""
    application, dash, suffix = version_name.rpartition("-")
    if dash and _fits(_APPLICATION, application) and _fits(_SUFFIX, suffix):
        return ApplicationName(application)
    return None


def version_name(application: str, suffix: str) -> AppVersionName:
    """Join a checked application name and suffix to the full version name."""
    return AppVersionName(f"{application}-{suffix}")


def is_token(text: str) -> bool:
    """Whether an endpoint token may look like this: ``^[^+#/.]+$``, printable as KP1 paths are."""
    return _fits(_TOKEN, text) and text.isprintable()


def sane_correlation_id(given: str | None) -> str | None:
    """Take a caller's correlation id if it is fit for logs and headers, whoever reads them; else None."""
    return given if given is not None and _CORRELATION_ID.fullmatch(given) else None


def check_endpoint_id(text: str) -> EndpointId:
    """Accept an endpoint id given by a user.

    Raises:
        BadRequestError: It does not match ``^[a-zA-Z0-9._~-]{1,256}$``, or is ``.`` or ``..``, which
            HTTP clients take out of a path (RFC 3986 section 5.2.4).
    """
    if text in {".", ".."}:
        raise BadRequestError("endpointId cannot be . or ..")
    return EndpointId(_checked(_ENDPOINT_ID, text, what="endpointId", form="[a-zA-Z0-9._~-]"))


def check_endpoint_id_prefix(text: str) -> None:
    """Accept what endpoint ids may begin with; empty too.

    Raises:
        BadRequestError: No id begins so.
    """
    if text:
        _checked(_ENDPOINT_ID, text, what="endpointIdPrefix", form="[a-zA-Z0-9._~-]")


def check_token(text: str) -> str:
    """Accept an endpoint token given by a user.

    Raises:
        BadRequestError: It is empty, too long, or holds ``+ # / .`` or a control character; the
            phrase never repeats it.
    """
    if not is_token(text):
        message = f"token must be 1 to {MAX_NAME_LENGTH} characters other than + # / . and unprintable ones"
        raise BadRequestError(message)
    return text


def check_application_name(text: str) -> ApplicationName:
    """Accept an application name given by a user.

    Raises:
        BadRequestError: It does not match ``^[a-z0-9_-]{1,256}$``.
    """
    return ApplicationName(_checked(_APPLICATION, text, what="name", form="[a-z0-9_-]"))


def check_suffix(text: str) -> str:
    """Accept the suffix of an application version.

    Raises:
        BadRequestError: It does not match ``^[a-z0-9]{1,256}$``.
    """
    return _checked(_SUFFIX, text, what="nameSuffix", form="[a-z0-9]")


def check_metadata_key(text: str) -> str:
    """Accept a metadata key.

    Raises:
        BadRequestError: It does not match ``^[a-zA-Z0-9_]{1,256}$``.
    """
    return _checked(_METADATA_KEY, text, what="metadata key", form=METADATA_KEY_CHARACTERS)


def _fits(pattern: re.Pattern[str], text: str) -> bool:
    return len(text) <= MAX_NAME_LENGTH and pattern.fullmatch(text) is not None


def _checked(pattern: re.Pattern[str], text: str, *, what: str, form: str) -> str:
    if not _fits(pattern, text):
        shown = ascii(text if len(text) <= 64 else f"{text[:64]}...")  # noqa: PLR2004 - a glimpse
        message = f"{what} {shown} must be 1 to {MAX_NAME_LENGTH} characters of {form}"
        raise BadRequestError(message)
    return text
