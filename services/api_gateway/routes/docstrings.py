"""What the docstrings of the contracts say to people outside: summaries and attributes.

The contracts document every field once, Google style; OpenAPI and the page quote that.
"""

import inspect
import re

_SECTION = re.compile(r"^Attributes:\n(?P<body>(?:[ ]+.*\n?|\n)*)", re.MULTILINE)
_ATTRIBUTE = re.compile(r"^    (?P<name>\w+): (?P<text>.+(?:\n {8,}.+)*)", re.MULTILINE)


def lead_text(kind: type) -> str:
    """The docstring up to its first section, as Markdown; "" when it is inherited or missing."""
    return _markdown(_SECTION.split(_docstring(kind), maxsplit=1)[0])


def attribute_texts(kind: type) -> dict[str, str]:
    """What the ``Attributes`` section says of each field, as Markdown, bases included."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        section = _SECTION.search(_docstring(each))
        if section is not None:
            for match in _ATTRIBUTE.finditer(section["body"]):
                found[match["name"]] = _markdown(match["text"])
    return found


def _docstring(kind: type) -> str:
    return inspect.cleandoc(kind.__dict__.get("__doc__") or "")


def _markdown(text: str) -> str:
    outside = re.sub(r"\bNone\b", "null", text.replace("``", "`"))
    return "\n\n".join(" ".join(part.split()) for part in outside.split("\n\n")).strip()
