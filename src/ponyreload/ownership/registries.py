"""Registries: what a generation's code has registered with generic functions, `copyreg`, `codecs` and `sqlite3`."""

from __future__ import annotations

import codecs
import copyreg
import functools
import sys
import weakref
from collections.abc import Callable, Iterator, MutableMapping
from types import CodeType, FunctionType
from typing import Any
from weakref import WeakKeyDictionary

from ponyreload.generations import Generation
from ponyreload.ownership.makers import Maker, is_made_by, maker, maker_of, owner_of_call, rows
from ponyreload.patches import Patches
from ponyreload.routed import RoutedModule

__all__ = ["Registries"]

MISSING = object()


class Registries:
    """Knows the registries; has each be again what it was."""

    def __init__(self) -> None:
        # Those of `copyreg`, and of `sqlite3` once that has been imported.
        self._tables = [Registry(copyreg.dispatch_table)]
        # The generic functions of libraries:  <function as_file> -> Registry(...)
        self._generics: WeakKeyDictionary[Any, Registry] = WeakKeyDictionary()
        # Those that were made since the last load began. They may be of the generation that is loading.
        self._new: list[weakref.ref[Any]] = []
        self._has_looked = False
        self._extensions = Extensions()
        # <generation 3> -> [(Maker(<generation 3>, "shop.cart"), <function find_codec>)]
        self._codecs: WeakKeyDictionary[Generation, list[tuple[Maker, Any]]] = WeakKeyDictionary()
        self._patches = Patches()

    def install(self, call_after_import: MutableMapping[str, Callable[[], object]]) -> None:
        """Wrap what makes generic functions, and what registers codecs and extension codes."""

        @functools.wraps(_plain_singledispatch)
        def singledispatch(func: Any) -> Any:
            generic = _plain_singledispatch(func)
            self._new.append(weakref.ref(generic))
            return generic

        self._patches.put(functools, "singledispatch", singledispatch)
        self._patches.put(codecs, "register", self._register_codec)
        self._extensions.install()
        if "sqlite3" in sys.modules:
            self._watch_sqlite()
        else:
            call_after_import["sqlite3"] = self._watch_sqlite

    def uninstall(self) -> None:
        """Undo `install`."""
        self._patches.undo()
        self._extensions.uninstall()

    def look(self) -> None:
        """Find the generic functions that were made before `install`; they stand in modules. The first call does it."""
        if not self._has_looked:
            self._has_looked = True
            self._new += map(weakref.ref, _generic_functions())

    def begin(self) -> None:
        """Note what is there before a load."""
        self.look()
        self._sort()
        self._extensions.begin()
        for each in self._registries():
            each.begin()

    def published(self) -> None:
        """Note what the load has put in the place of something that is no generation's."""
        self._extensions.published()
        for each in self._registries():
            each.keep()

    def fail(self, generation: Generation) -> None:
        """Have the registries be as they were before the load; what libraries have registered since is theirs."""
        self._extensions.fail()
        for each in self._registries():
            each.restore(generation)

    def retire(self, generation: Generation) -> None:
        """Take away what runs code of *generation*, or is about its classes."""
        self._sort()
        for each in self._registries():
            each.retire(generation)
        for by, search in self._codecs.pop(generation, ()):
            if not by.is_of_process:
                codecs.unregister(search)
        copyreg.clear_extension_cache()  # it has classes

    def _registries(self) -> list[Registry]:
        return [*self._tables, *(registry for _, registry in rows(self._generics))]

    def _sort(self) -> None:
        """Enter the new generic functions that are of no generation: one of a generation goes with that."""
        new, self._new = self._new, []
        for reference in new:
            generic = reference()
            table = _table_of(generic)
            if generic is not None and table is not None and owner_of_call(generic) is None:
                self._generics.setdefault(generic, Registry(table, generic._clear_cache))

    def _watch_sqlite(self) -> None:
        sqlite: Any = sys.modules["sqlite3"]
        # (<class Order>, <class PrepareProtocol>) -> <function>, and "ORDER" -> <function>. Their names are not
        # documented; a test of what we assume of Python tells.
        for name in ("adapters", "converters"):
            registry = Registry(getattr(sqlite, name, {}))
            registry.begin()  # the load that has imported it is busy
            self._tables.append(registry)

    def _register_codec(self, search_function: Any, /) -> None:
        """What `codecs.register` is while autoreload is on."""
        _plain_register_codec(search_function)
        by = maker() or maker_of(search_function)
        if by is not None:
            self._codecs.setdefault(by.generation, []).append((by, search_function))


class Registry:
    """A table of classes and functions, as it was before a load and before the generations.

    Args:
        table: The table itself:  <class Order> -> <function reduce_order>
        changed: Called when it has been changed here.
    """

    def __init__(self, table: dict[Any, Any], changed: Callable[[], object] = lambda: None) -> None:
        self._table = table
        self._changed = changed
        self._before_load: dict[Any, Any] = {}
        # For what is no generation's, what stood there before the generations, or MISSING.
        self._first: dict[Any, Any] = {}

    def begin(self) -> None:
        """Note what is there."""
        self._before_load = dict(self._table)

    def keep(self) -> None:
        """Note what the load has put in the place of something that is no generation's."""
        before, self._before_load = self._before_load, {}
        for key, value in list(self._table.items()):
            old = before.get(key, MISSING)
            if old is not value and owner_of_call(value) is not None and (old is MISSING or owner_of_call(old) is None):
                self._first.setdefault(key, old)

    def restore(self, generation: Generation) -> None:
        """Have what was there before in the place of what has classes or functions of *generation*."""
        before, self._before_load = self._before_load, {}
        if _take_out(self._table, generation, before):
            self._changed()

    def retire(self, generation: Generation) -> None:
        """Take away what has classes or functions of *generation*."""
        # A load that is busy is not to bring it back.
        _take_out(self._before_load, generation, self._first)
        if _take_out(self._table, generation, self._first):
            self._changed()
        for key in list(self._first):
            if owner_of_call(self._table.get(key)) is None:
                self._first.pop(key, None)


def _take_out(table: dict[Any, Any], generation: Generation, before: dict[Any, Any]) -> bool:
    """Put what was there before in the place of what a generation has registered; tell whether there was something."""
    found = False
    for key, value in list(table.items()):
        is_its_own = any(is_made_by(each, generation) for each in (key if isinstance(key, tuple) else (key,)))
        if is_its_own or owner_of_call(value) is generation:
            found = True
            old = MISSING if is_its_own else before.get(key, MISSING)
            if old is MISSING:
                table.pop(key, None)
            else:
                table[key] = old
    return found


class Extensions:
    """The codes of `copyreg.add_extension`. A load may give another code to what an earlier generation gave one.

    The tables are not public; a test of what we assume of Python tells.
    """

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], int] = copyreg._extension_registry  # type: ignore[attr-defined]
        self._names: dict[int, tuple[str, str]] = copyreg._inverted_registry  # type: ignore[attr-defined]
        # What user code has registered: {("shop.cart", "Order")}
        self._of_generations: set[tuple[str, str]] = set()
        # What that has changed in this load:  ("shop.cart", "Order") -> the code before, or None
        self._before: dict[tuple[str, str], int | None] = {}
        self._patches = Patches()

    def install(self) -> None:
        self._patches.put(copyreg, "add_extension", self._add)

    def uninstall(self) -> None:
        self._patches.undo()

    def begin(self) -> None:
        self._before = {}

    def published(self) -> None:
        self._before = {}
        copyreg.clear_extension_cache()  # it has classes of the generation before

    def fail(self) -> None:
        before, self._before = self._before, {}
        for key in before:
            self._remove(key)
        for (module, name), code in before.items():
            if code is not None:
                _plain_add_extension(module, name, code)

    def _add(self, module: str, name: str, code: int) -> None:
        """What `copyreg.add_extension` is while autoreload is on."""
        by = maker()
        if by is not None:
            for key in {(module, name), self._names.get(code, (module, name))} & self._codes.keys():
                is_other = (key, self._codes[key]) != ((module, name), code)
                if is_other and (key in self._of_generations or key[0] in by.generation.modules):
                    self._before.setdefault(key, self._codes[key])
                    self._remove(key)
            if (module, name) not in self._codes:
                self._before.setdefault((module, name), None)
            self._of_generations.add((module, name))
        _plain_add_extension(module, name, code)

    def _remove(self, key: tuple[str, str]) -> None:
        if key in self._codes:
            copyreg.remove_extension(*key, self._codes[key])


def _generic_functions() -> Iterator[Any]:
    """Yield the generic functions that stand in system modules and their classes. There is no list of them."""
    constants = _plain_singledispatch.__code__.co_consts
    # Each is the same inner function, with other variables.
    codes = [each for each in constants if isinstance(each, CodeType) and each.co_name == "wrapper"]
    for module in list(sys.modules.values()):
        namespace = getattr(module, "__dict__", None)
        if type(module) is RoutedModule or not isinstance(namespace, dict):
            continue
        for value in list(namespace.values()):
            if type(value) is FunctionType and value.__code__ in codes:
                yield value
            elif type(value) is type and value.__module__ == namespace.get("__name__"):
                for method in list(vars(value).values()):
                    if type(method) is functools.singledispatchmethod:
                        yield method.dispatcher


def _table_of(generic: Any) -> dict[Any, Any] | None:
    """Return the table of a generic function. What is public of it is a view that cannot be written to."""
    register = getattr(generic, "register", None)
    if type(register) is FunctionType:
        for name, cell in zip(register.__code__.co_freevars, register.__closure__ or (), strict=True):
            if name == "registry" and isinstance(cell.cell_contents, dict):
                return cell.cell_contents
    return None


_plain_singledispatch: Any = functools.singledispatch
_plain_register_codec = codecs.register
_plain_add_extension = copyreg.add_extension
