"""Every switched-off check names its rule and its reason: ``python -m tools.check_reasons``.

Ruff and mypy already insist on the rule; neither asks why. The accepted forms are
``# noqa: BLE001 - any failure means not ready`` and ``# type: ignore[misc]  # the driver has no types``.
"""

import io
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

from tools.tracked import tracked

# Directives of one comment, each with its codes; what is left of the comment is the reason.
_DIRECTIVE = re.compile(
    r"#\s*(?:(?:ruff:\s*)?noqa(?::\s*[A-Z]+\d+(?:[,\s]+[A-Z]+\d+)*)?"
    r"|type:\s*ignore(?:\[[^\]]*\])?"
    r"|pragma:\s*no (?:cover|branch))"
)
_WORD = re.compile(r"[A-Za-z]{4,}")


def lacks_reason(comment: str) -> bool:
    """Tell whether a comment switches a check off without saying why."""
    left, directives = _DIRECTIVE.subn(" ", comment)
    return directives > 0 and not _WORD.search(left)


def unexplained(source: str) -> Iterator[int]:
    """Yield the number of each line whose comment lacks a reason."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and lacks_reason(token.string):
            yield token.start[0]


def main(paths: Iterable[Path]) -> int:
    found = [f"{path}:{line}" for path in paths for line in unexplained(path.read_text())]
    for place in found:
        print(f"{place}: a check is switched off here without a reason")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(tracked("*.py")))
