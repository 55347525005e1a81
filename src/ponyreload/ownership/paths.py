"""Paths: what a load has added to `sys.path`."""

from __future__ import annotations

import sys
from collections import Counter

from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import owner_of
from ponyreload.options.marking import library_folders

__all__ = ["Paths"]


class Paths:
    """`sys.path`, whose entries are told apart by what they say."""

    def __init__(self) -> None:
        self._before: list[str] = []
        # The newest generation that has added an entry which was not there before all of them:  "/site/lib" -> 3
        self._added: dict[str, int] = {}
        # Entries that were added while they were there, so by code that does not ask.
        self._unasked: set[str] = set()

    def begin(self) -> None:
        """Note what is there."""
        self._before = list(sys.path)

    def published(self, generation: Generation) -> None:
        """Note what has been added since; where that was there already, only the first place counts."""
        before, self._before = self._before, []
        for path in Counter(sys.path) - Counter(before):
            if path not in before:
                self._added[path] = generation.number
                continue
            if path in self._added:
                self._added[path] = generation.number
                self._unasked.add(path)
            place = sys.path.index(path) + 1
            self._put([*sys.path[:place], *(each for each in sys.path[place:] if each != path)])

    def fail(self, generation: Generation) -> None:  # noqa: ARG002 - as the others have it
        """Have what was there before; and what libraries have added since, which lies among them."""
        before, self._before = self._before, []
        added = Counter(sys.path) - Counter(before)
        of_libraries = {path for path in added if path not in before and is_library_path(path)}
        place = next((place for place, path in enumerate(sys.path) if path in before), len(sys.path))
        front = [path for path in sys.path[:place] if path in of_libraries]
        back = [path for path in sys.path[place:] if path in of_libraries]
        if sys.path != [*front, *before, *back]:
            self._put([*front, *before, *back])

    def retire(self, generation: Generation) -> None:
        """Take away what *generation* was the last to add, and its finders for entries.

        Its code may have asked first whether the entry is there: then the newer one relies on it, and it stays.
        """
        for path, number in list(self._added.items()):
            if number == generation.number:
                del self._added[path]
                if path in self._unasked:
                    self._unasked.discard(path)
                    self._before = [each for each in self._before if each != path]
                    self._put([each for each in sys.path if each != path])
        for path, finder in list(sys.path_importer_cache.items()):
            if finder is not None and owner_of(finder) is generation:
                sys.path_importer_cache.pop(path, None)

    def _put(self, paths: list[str]) -> None:
        # Not in place: an import that goes through it at this moment, in another thread, must not miss an entry.
        sys.path = paths


def is_library_path(path: object) -> bool:
    """Tell whether an import path is in the folders of the standard library and of installed packages."""
    return isinstance(path, str) and ("site-packages" in path or path.startswith(library_folders()))
