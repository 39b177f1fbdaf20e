"""Check that relative links and anchors in Markdown lead somewhere: ``python -m tools.check_links``.

Links to other hosts are not followed: the check needs no network and gives the same answer everywhere.
Anchors are made as GitHub makes them from headings, or named with ``<a id="...">``.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from tools.tracked import tracked

_FENCE = re.compile(r"^\s*(```|~~~).*?^\s*\1\s*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_DEFINITION = re.compile(r"^\s*\[[^\]]+\]:\s*<?(\S+?)>?\s*$", re.MULTILINE)
_HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.+?)\s*#*\s*$", re.MULTILINE)
_HTML_ID = re.compile(r"<\w+\s[^>]*?(?:id|name)=[\"']([^\"']+)[\"']")
_HEADING_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_ELSEWHERE = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def links(text: str) -> list[str]:
    """Return the targets of every link in Markdown, code left out."""
    prose = _CODE.sub("", _FENCE.sub("", text))
    return [*_LINK.findall(prose), *_DEFINITION.findall(prose)]


def slug(heading: str) -> str:
    """Return the anchor GitHub gives a heading: lower case, letters, digits, hyphens for blanks."""
    plain = _HEADING_LINK.sub(r"\1", heading).replace("`", "").lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


@cache
def anchors(path: Path) -> frozenset[str]:
    """Return every anchor a Markdown file has; a heading that repeats counts up from ``-1``."""
    text = _FENCE.sub("", path.read_text())
    found = set(_HTML_ID.findall(text))
    seen: dict[str, int] = {}
    for heading in _HEADING.findall(text):
        name = slug(heading)
        times = seen.get(name, 0)
        seen[name] = times + 1
        found.add(f"{name}-{times}" if times else name)
    return frozenset(found)


def dead_links(page: Path) -> Iterator[str]:
    """Yield a sentence for each link of a page that leads nowhere."""
    for link in links(page.read_text()):
        if _ELSEWHERE.match(link) or link.startswith("//"):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / unquote(name) if name else page
        if name.startswith("/") or not target.exists():
            yield f"{page}: {link} leads to no file"
        elif anchor and target.suffix == ".md" and unquote(anchor) not in anchors(target):
            yield f"{page}: {link} names no heading there"


def main(pages: Iterable[Path]) -> int:
    dead = [sentence for page in pages for sentence in dead_links(page)]
    for sentence in dead:
        print(sentence)
    return 1 if dead else 0


if __name__ == "__main__":
    sys.exit(main(tracked("*.md")))
