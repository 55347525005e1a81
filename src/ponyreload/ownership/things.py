"""Things: lists of the process to which a load adds objects: finders, hooks, warning filters."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import owner_of
from ponyreload.interpreter.attributes import module_of
from ponyreload.ownership.makers import rows

__all__ = ["LISTS", "Things", "others"]

# Lists whose entries belong to the generation whose code they run.
LISTS: tuple[tuple[ModuleType, str], ...] = ((sys, "meta_path"), (sys, "path_hooks"), (gc, "callbacks"))


class Things:
    """One such list. Its entries are compared by identity.

    Python has no hook for changes of a list, so it is compared before and after each load; loads run one at a time. A
    library that a load imports stays, and so does what the library adds when it is imported.

    Args:
        module: The module that has the list.
        name: Its name there. The module may get another list at any time.
    """

    def __init__(self, module: ModuleType, name: str) -> None:
        self._module = module
        self._name = name
        self._before: list[Any] = []
        # The modules that were imported before the load.
        self._modules: set[str] = set()
        # What a published generation has added:  <generation 3> -> [<Finder>]
        self._added: WeakKeyDictionary[Generation, list[Any]] = WeakKeyDictionary()

    def begin(self) -> None:
        """Record the entries before a load, and the modules that are imported."""
        self._before, self._modules = list(self.get()), set(sys.modules)

    def published(self, generation: Generation) -> None:
        """Record what the load has added."""
        self._added[generation] = self.added(generation)
        self._before = []

    def fail(self, generation: Generation) -> None:
        """Restore the entries from before the load, and keep what libraries have added since."""
        entries, gone = self.get(), self.added(generation)
        before, self._before = self._before, []
        wanted = _with_before(others(entries, gone), before, self.is_replaced)
        if list(map(id, entries)) != list(map(id, wanted)):
            self.put(wanted)

    def retire(self, generation: Generation) -> None:
        """Remove what *generation* has added."""
        entries = self.get()
        gone = [each for each in entries if self.is_of(each, generation)]
        gone += self.superseded(self._added.pop(generation, []), generation)
        if gone:
            self._before = others(self._before, gone)  # or a load that is running brings it back
            self.put(others(entries, gone))

    def added(self, generation: Generation) -> list[Any]:
        """Return what code of *generation* has added since the load began, without what an imported library has."""
        new = others(self.get(), self._before)
        return [each for each in new if self.is_of(each, generation) or module_of(each) in self._modules]

    def is_of(self, entry: Any, generation: Generation) -> bool:
        """Tell whether an entry is code of *generation*."""
        return owner_of(entry) is generation

    def is_replaced(self, entry: Any, new: list[Any]) -> bool:  # noqa: ARG002
        """Tell whether a library has put another one in the place of an entry."""
        return False

    def superseded(self, added: list[Any], generation: Generation) -> list[Any]:
        """Return which of the library's objects that *generation* has added are not needed any more.

        A newer one that found its like may not have added its own. So these are for which it did.
        """
        kinds = {type(each) for other, more in rows(self._added) if other.number > generation.number for each in more}
        return [each for each in added if type(each) in kinds]

    def get(self) -> list[Any]:
        """Return the list."""
        return getattr(self._module, self._name)  # type: ignore[no-any-return]

    def put(self, entries: list[Any]) -> None:
        """Have these in the list, which stays the same one: Python's own C code holds it, and what is in it."""
        self.get()[:] = entries


def _with_before(entries: list[Any], before: list[Any], is_replaced: Callable[[Any, list[Any]], bool]) -> list[Any]:
    """Return *before*, with what is new among *entries* in front of it or behind it, where that is now."""
    known = set(map(id, before))
    place = next((place for place, each in enumerate(entries) if id(each) in known), len(entries))
    front, back = others(entries[:place], before), others(entries[place:], before)
    return [*front, *(each for each in before if not is_replaced(each, [*front, *back])), *back]


def others(entries: list[Any], known: list[Any]) -> list[Any]:
    ids = set(map(id, known))
    return [each for each in entries if id(each) not in ids]
