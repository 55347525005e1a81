"""Paths: what a load has added to `sys.path`."""

from __future__ import annotations

import sys
from collections import Counter

from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import owner_of
from ponyreload.project import is_installed, library_folders

__all__ = ["Paths"]


class Paths:
    """`sys.path`. Its entries are compared by their text."""

    def __init__(self) -> None:
        self._before: list[str] = []
        # The newest generation that has added an entry, without those from before generation 1:  "/site/lib" -> 3
        self._added: dict[str, int] = {}
        # Entries that were added although they were there, so by code that does not check.
        self._unasked: set[str] = set()

    def begin(self) -> None:
        """Record the entries before a load."""
        self._before = list(sys.path)

    def published(self, generation: Generation) -> None:
        """Record what the load has added; of an entry that was there already, keep the first place only."""
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
        """Restore the entries from before the load, and keep what libraries have added since."""
        before, self._before = self._before, []
        added = Counter(sys.path) - Counter(before)
        of_libraries = {path for path in added if path not in before and is_library_path(path)}
        place = next((place for place, path in enumerate(sys.path) if path in before), len(sys.path))
        front = [path for path in sys.path[:place] if path in of_libraries]
        back = [path for path in sys.path[place:] if path in of_libraries]
        if sys.path != [*front, *before, *back]:
            self._put([*front, *before, *back])

    def retire(self, generation: Generation) -> None:
        """Remove the entries that *generation* was the last to add, and its finders.

        If its code checks first whether the entry is there, the entry stays: a newer generation relies on it.
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
        # Not in place, or an import that goes through the list in another thread may miss an entry.
        sys.path = paths


def is_library_path(path: object) -> bool:
    """Tell whether an import path is in the folders of the standard library and of installed packages."""
    return isinstance(path, str) and (is_installed(path) or path.startswith(library_folders()))
