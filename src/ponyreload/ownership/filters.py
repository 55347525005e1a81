"""Filters: what a load has added to `warnings.filters`."""

from __future__ import annotations

import warnings
from typing import Any

from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import is_of
from ponyreload.interpreter.patches import Patches
from ponyreload.ownership.makers import Maker, maker, rows
from ponyreload.ownership.things import Things, others

__all__ = ["Filters"]


class Filters(Things):
    """`warnings.filters`. Libraries add to it as well when they are imported, so one has to hear of what a load adds.

    The function that adds to it is not public; a test of what we assume of Python tells. What is put in past it stays.
    """

    def __init__(self) -> None:
        super().__init__(warnings, "filters", _is_filter_of)
        # What the load has asked for so far:  (("ignore", None, <class DeprecationWarning>, None, 0), Maker(…))
        self._asked: list[tuple[Any, Maker]] = []
        self._patches = Patches()

    def install(self) -> None:
        """Wrap what `warnings.filterwarnings` and `warnings.simplefilter` call."""
        plain = getattr(warnings, "_add_filter", None)
        if plain is not None:

            def _add_filter(*item: Any, append: bool) -> None:
                by = maker("warnings")
                if by is not None and not by.generation.published:
                    self._asked.append((item, by))
                plain(*item, append=append)

            self._patches.put(warnings, "_add_filter", _add_filter)

    def uninstall(self) -> None:
        """Undo `install`; the filters stay."""
        self._patches.undo()

    def begin(self, modules: set[str]) -> None:
        super().begin(modules)
        self._asked = []

    def keep(self, generation: Generation) -> None:
        older = [each for _, several in rows(self._added) for each in several]
        super().keep(generation)
        # An equal one that is added again takes the place of the one before, or is not added: then that one stays.
        asked = [item for item, by in self._asked if by.generation is generation and not by.is_of_process]
        self._added[generation] = [each for each in asked if each in self._added[generation] or each in older]
        self._asked = []

    def restore(self, generation: Generation) -> None:
        super().restore(generation)
        self._asked = []

    def added(self, generation: Generation) -> list[Any]:
        asked = [item for item, by in self._asked if by.generation is generation]
        return [each for each in others(self.get(), self._before) if each in asked]

    def is_replaced(self, entry: Any, new: list[Any]) -> bool:
        return entry in new

    def superseded(self, added: list[Any], generation: Generation) -> list[Any]:
        newer = [each for other, more in rows(self._added) if other.number > generation.number for each in more]
        gone = [each for each in added if each not in newer]
        return [each for each in self.get() if each in gone]

    def put(self, entries: list[Any]) -> None:
        super().put(entries)
        # Not public either. Without it, the filters count for what has not warned yet.
        getattr(warnings, "_filters_mutated", lambda: None)()


def _is_filter_of(entry: Any, generation: Generation) -> bool:
    return any(is_of(each, generation) for each in entry)
