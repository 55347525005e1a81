"""Lists: what a load has added to lists of the process: import paths, finders, hooks, warning filters."""

from __future__ import annotations

import gc
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from ponyreload.generations import Generation
from ponyreload.marking import library_folders
from ponyreload.ownership.makers import Maker, is_made_by, maker, owner_of_call, owner_of_class, rows
from ponyreload.patches import Patches

__all__ = ["Lists"]


class Lists:
    """Compares the lists before and after each load; loads run one at a time. There is no other way to hear of it.

    A library that is imported by a load stays, and so does what it adds when it is imported.
    """

    def __init__(self) -> None:
        self._filters = Filters()
        self._all: tuple[Paths | Things, ...] = (
            Paths(),
            Things(sys, "meta_path", _is_finder_of),
            Things(sys, "path_hooks", _is_call_of),
            Things(gc, "callbacks", _is_call_of),
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
            if finder is not None and owner_of_class(type(finder)) is generation:
                sys.path_importer_cache.pop(path, None)


class Things:
    """A list of objects, each told from others by its identity.

    Args:
        module: Where it is.
        name: What it is called there; another object may stand there at any time.
        is_of: Tells whether an entry is code of a generation.
    """

    def __init__(self, module: ModuleType, name: str, is_of: Callable[[Any, Generation], bool]) -> None:
        self._module = module
        self._name = name
        self._is_of = is_of
        self._before: list[Any] = []
        # What had been imported before the load.
        self._modules: set[str] = set()
        # What a published generation has added:  <generation 3> -> [<Finder>]
        self._added: WeakKeyDictionary[Generation, list[Any]] = WeakKeyDictionary()

    def begin(self, modules: set[str]) -> None:
        """Note what is there, and what has been imported."""
        self._before, self._modules = list(self.get()), modules

    def keep(self, generation: Generation) -> None:
        """Note what the load has added."""
        self._added[generation] = self.added(generation)
        self._before = []

    def restore(self, generation: Generation) -> None:
        """Have what was there before; and what libraries have added since."""
        entries, gone = self.get(), self.added(generation)
        before, self._before = self._before, []
        wanted = _with_before(_others(entries, gone), before, self.is_replaced)
        if list(map(id, entries)) != list(map(id, wanted)):
            self.put(wanted)

    def retire(self, generation: Generation) -> None:
        """Take away what *generation* has added."""
        entries = self.get()
        gone = [each for each in entries if self._is_of(each, generation)]
        gone += self.superseded(self._added.pop(generation, []), generation)
        if gone:
            self._before = _others(self._before, gone)  # a load that is busy is not to bring it back
            self.put(_others(entries, gone))

    def added(self, generation: Generation) -> list[Any]:
        """Return what code of *generation* has added since the load began; not what a library did that it imported."""
        new = _others(self.get(), self._before)
        return [each for each in new if self._is_of(each, generation) or _module_of(each) in self._modules]

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
        return [each for each in _others(self.get(), self._before) if each in asked]

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


class Paths:
    """`sys.path`, whose entries are told apart by what they say."""

    def __init__(self) -> None:
        self._before: list[str] = []
        # The newest generation that has added an entry which was not there before all of them:  "/site/lib" -> 3
        self._added: dict[str, int] = {}
        # Entries that were added while they were there, so by code that does not ask.
        self._unasked: set[str] = set()

    def begin(self, modules: set[str]) -> None:  # noqa: ARG002 - as the others have it
        """Note what is there."""
        self._before = list(sys.path)

    def keep(self, generation: Generation) -> None:
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

    def restore(self, generation: Generation) -> None:  # noqa: ARG002 - as the others have it
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
        """Take away what *generation* was the last to add.

        Its code may have asked first whether the entry is there: then the newer one relies on it, and it stays.
        """
        for path, number in list(self._added.items()):
            if number == generation.number:
                del self._added[path]
                if path in self._unasked:
                    self._unasked.discard(path)
                    self._before = [each for each in self._before if each != path]
                    self._put([each for each in sys.path if each != path])

    def _put(self, paths: list[str]) -> None:
        # Not in place: an import that goes through it at this moment, in another thread, must not miss an entry.
        sys.path = paths


def is_library_path(path: object) -> bool:
    """Tell whether an import path is in the folders of the standard library and of installed packages."""
    return isinstance(path, str) and ("site-packages" in path or path.startswith(library_folders()))


def _with_before(entries: list[Any], before: list[Any], is_replaced: Callable[[Any, list[Any]], bool]) -> list[Any]:
    """Return *before*, with what is new among *entries* in front of it or behind it, where that is now."""
    known = set(map(id, before))
    place = next((place for place, each in enumerate(entries) if id(each) in known), len(entries))
    front, back = _others(entries[:place], before), _others(entries[place:], before)
    return [*front, *(each for each in before if not is_replaced(each, [*front, *back])), *back]


def _others(entries: list[Any], known: list[Any]) -> list[Any]:
    ids = set(map(id, known))
    return [each for each in entries if id(each) not in ids]


def _module_of(entry: Any) -> str | None:
    """Return the name of the module that has made an object, or its class."""
    module = getattr(entry if isinstance(entry, type | FunctionType) else type(entry), "__module__", None)
    return module if isinstance(module, str) else None


def _is_call_of(entry: Any, generation: Generation) -> bool:
    return owner_of_call(entry) is generation


def _is_finder_of(entry: Any, generation: Generation) -> bool:
    return owner_of_class(entry if isinstance(entry, type) else type(entry)) is generation


def _is_filter_of(entry: Any, generation: Generation) -> bool:
    return any(isinstance(each, type) and is_made_by(each, generation) for each in entry)
