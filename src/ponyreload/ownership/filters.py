"""Filters: what a load has added to `warnings.filters`."""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Callable
from typing import Any

from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import is_of
from ponyreload.interpreter.patches import Patches
from ponyreload.interpreter.private import warning_filters_changed
from ponyreload.ownership.makers import Maker, maker, rows
from ponyreload.ownership.things import Things, others

__all__ = ["Filters"]


class Filters(Things):
    """`warnings.filters`. Libraries add to it as well when they are imported, so one has to hear of what a load adds.

    What is put in past the public functions stays.
    """

    def __init__(self, patches: Patches) -> None:
        super().__init__(warnings, "filters")
        # What the load has asked for so far:  (("ignore", None, <class DeprecationWarning>, None, 0), Maker(…))
        self._asked: list[tuple[Any, Maker]] = []
        self._patches = patches

    def install(self) -> None:
        """Wrap `warnings.filterwarnings` and `warnings.simplefilter`."""
        self._patches.put(warnings, "filterwarnings", self._noting(warnings.filterwarnings, _item))
        self._patches.put(warnings, "simplefilter", self._noting(warnings.simplefilter, _simple_item))

    def _noting(self, plain: Callable[..., None], item: Callable[..., Any]) -> Callable[..., None]:
        @functools.wraps(plain)
        def add(*args: Any, **kwargs: Any) -> None:
            plain(*args, **kwargs)
            by = maker("warnings")
            if by is not None and not by.generation.published:
                self._asked.append((item(*args, **kwargs), by))

        return add

    def begin(self) -> None:
        super().begin()
        self._asked = []

    def published(self, generation: Generation) -> None:
        older = [each for _, several in rows(self._added) for each in several]
        super().published(generation)
        # An equal one that is added again takes the place of the one before, or is not added: then that one stays.
        asked = [item for item, by in self._asked if by.generation is generation and not by.is_of_process]
        self._added[generation] = [each for each in asked if each in self._added[generation] or each in older]
        self._asked = []

    def fail(self, generation: Generation) -> None:
        super().fail(generation)
        self._asked = []

    def added(self, generation: Generation) -> list[Any]:
        asked = [item for item, by in self._asked if by.generation is generation]
        return [each for each in others(self.get(), self._before) if each in asked]

    def is_of(self, entry: Any, generation: Generation) -> bool:
        return any(is_of(each, generation) for each in entry)

    def is_replaced(self, entry: Any, new: list[Any]) -> bool:
        return entry in new

    def superseded(self, added: list[Any], generation: Generation) -> list[Any]:
        newer = [each for other, more in rows(self._added) if other.number > generation.number for each in more]
        gone = [each for each in added if each not in newer]
        return [each for each in self.get() if each in gone]

    def put(self, entries: list[Any]) -> None:
        super().put(entries)
        warning_filters_changed()


def _item(
    action: str, message: str = "", category: Any = Warning, module: str = "", lineno: int = 0, *_: Any, **__: Any
) -> tuple[Any, ...]:
    """Return the entry of the list that `filterwarnings` adds for these arguments."""
    patterns = (re.compile(message, re.I) if message else None, re.compile(module) if module else None)
    return action, patterns[0], category, patterns[1], lineno


def _simple_item(action: str, category: Any = Warning, lineno: int = 0, *_: Any, **__: Any) -> tuple[Any, ...]:
    """Return the entry of the list that `simplefilter` adds for these arguments."""
    return action, None, category, None, lineno
