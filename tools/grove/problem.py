"""Everything that ends a command, with its exit code and what to do next."""

from typing import Final

REFUSED: Final = 1
WRONG: Final = 2
AWAY: Final = 3
INTERRUPTED: Final = 130


class CommandError(Exception):
    """A command that did not succeed; the text is for the person who typed it.

    Attributes:
        code: Exit code of the program.
    """

    def __init__(self, text: str, *, code: int) -> None:
        super().__init__(text)
        self.code = code
