"""Lists: what a load has added to lists of the process: import paths, finders, hooks, warning filters."""

from __future__ import annotations

import gc
import sys
from typing import Any

from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import owner_of
from ponyreload.ownership.filters import Filters
from ponyreload.ownership.paths import Paths
from ponyreload.ownership.things import Things

__all__ = ["Lists"]


class Lists:
    """Compares the lists before and after each load; loads run one at a time. There is no other way to hear of it.

    A library that is imported by a load stays, and so does what it adds when it is imported.
    """

    def __init__(self) -> None:
        self._filters = Filters()
        self._all: tuple[Paths | Things, ...] = (
            Paths(),
            Things(sys, "meta_path", _is_of),
            Things(sys, "path_hooks", _is_of),
            Things(gc, "callbacks", _is_of),
            self._filters,
        )

    def install(self) -> None:
        """Put in what tells of warning filters."""
        self._filters.install()

    def uninstall(self) -> None:
        """Take it out."""
        self._filters.uninstall()

    def begin(self) -> None:
        """Note what is there before a load."""
        modules = set(sys.modules)
        for each in self._all:
            each.begin(modules)

    def published(self, generation: Generation) -> None:
        """Note what the load has added."""
        for each in self._all:
            each.keep(generation)

    def fail(self, generation: Generation) -> None:
        """Have the lists be as they were before the load."""
        for each in self._all:
            each.restore(generation)

    def retire(self, generation: Generation) -> None:
        """Take away what *generation* has added and no newer one relies on."""
        for each in self._all:
            each.retire(generation)
        for path, finder in list(sys.path_importer_cache.items()):
            if finder is not None and owner_of(finder) is generation:
                sys.path_importer_cache.pop(path, None)


def _is_of(entry: Any, generation: Generation) -> bool:
    return owner_of(entry) is generation
