"""One question at a time: whoever asks the same meanwhile is told the same."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

V = TypeVar("V")


class _Question(Generic[V]):
    """A question under way, and what became of it; None in the end = whoever asked gave up."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.outcome: tuple[V] | Exception | None = None


class Questions(Generic[V]):
    """The questions under way, by what they are about."""

    def __init__(self) -> None:
        self._asked: dict[Hashable, _Question[V]] = {}

    async def ask(self, about: Hashable, load: Callable[[], Awaitable[V]]) -> V:
        """Ask, or wait for the answer to the same question; errors are shared as well."""
        while (question := self._asked.get(about)) is not None:
            await question.over.wait()
            if isinstance(question.outcome, Exception):
                raise question.outcome
            if question.outcome is not None:
                return question.outcome[0]
        question = self._asked[about] = _Question()
        try:
            value = await load()
            question.outcome = (value,)
        except Exception as error:
            question.outcome = error
            raise
        finally:
            del self._asked[about]
            question.over.set()
        return value

    def is_asked(self, about: Hashable) -> bool:
        """Whether somebody asks this now."""
        return about in self._asked

    async def over(self, about: Hashable) -> None:
        """Wait until what was asked before this is over, whatever becomes of it."""
        question = self._asked.get(about)
        if question is not None:
            await question.over.wait()
