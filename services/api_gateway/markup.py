"""HTML by function calls: text is escaped unless it is already markup, so nothing slips through."""

import html
import json
import re
from collections.abc import Iterable
from typing import Any

_VOID = frozenset({"img", "link", "meta"})
_INLINE = re.compile(r"`(?P<code>[^`]+)`|\*\*(?P<strong>[^*]+)\*\*")


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | Markup | Iterable["Child"]


def element(name: str, /, *children: Child, **attributes: str | bool | None) -> Markup:
    """Make an element; a trailing ``_`` of an attribute is dropped, other ``_`` become ``-``."""
    spelled = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{html.escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Markup(f"<{name}{spelled}>")
    return Markup(f"<{name}{spelled}>{joined(children)}</{name}>")


def joined(children: Child) -> Markup:
    """Put markup and text behind one another."""
    if isinstance(children, Markup):
        return children
    if isinstance(children, str):
        return Markup(html.escape(children, quote=False))
    return Markup("".join(joined(child) for child in children))


def inline(text: str) -> Markup:
    """Show the two kinds of Markdown our descriptions use: code and strong."""
    parts: list[Child] = []
    end = 0
    for match in _INLINE.finditer(text):
        parts.append(text[end : match.start()])
        if match["code"] is not None:
            parts.append(element("code", match["code"]))
        else:
            parts.append(element("strong", match["strong"]))
        end = match.end()
    return joined([*parts, text[end:]])


def prose(text: str) -> Markup:
    """Paragraphs."""
    return joined(element("p", inline(part)) for part in text.split("\n\n") if part)


def code_block(text: str, *, label: str) -> Markup:
    """A block of code; scrolls by itself, also by keyboard."""
    return element("pre", element("code", text), tabindex="0", aria_label=label)


def json_block(value: Any, *, label: str) -> Markup:  # noqa: ANN401 - any JSON value
    """A JSON value, laid out for reading."""
    return code_block(json.dumps(value, indent=2, ensure_ascii=False), label=label)


def anchor(text: str) -> str:
    """A fragment that a heading can be linked by."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
