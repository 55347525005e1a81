"""Registries: what a generation's code has registered with generic functions, `copyreg`, `codecs` and `sqlite3`."""

from __future__ import annotations

import codecs
import copyreg
import functools
import sys
import weakref
from typing import Any
from weakref import WeakKeyDictionary

from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import owner_of
from ponyreload.imports.loaders import AfterImport
from ponyreload.interpreter.patches import Patches
from ponyreload.interpreter.private import dispatch_cache_clearer, overload_registry
from ponyreload.ownership.extensions import Extensions
from ponyreload.ownership.generics import generic_functions, plain_singledispatch, table_of
from ponyreload.ownership.makers import Maker, maker, maker_of, rows
from ponyreload.ownership.registry import Registry

__all__ = ["Registries"]


class Registries:
    """Knows the registries; has each be again what it was."""

    def __init__(self, patches: Patches) -> None:
        # Those of `copyreg`, and of `sqlite3` once that has been imported.
        self._tables = [Registry(copyreg.dispatch_table)]
        # The generic functions of libraries:  <function as_file> -> Registry(...)
        self._generics: WeakKeyDictionary[Any, Registry] = WeakKeyDictionary()
        # Those that were made since the last load began. They may be of the generation that is loading.
        self._new: list[weakref.ref[Any]] = []
        self._has_looked = False
        self._extensions = Extensions(patches)
        # <generation 3> -> [(Maker(<generation 3>, "shop.cart"), <function find_codec>)]
        self._codecs: WeakKeyDictionary[Generation, list[tuple[Maker, Any]]] = WeakKeyDictionary()
        self._patches = patches

    def install(self, after_import: AfterImport) -> None:
        """Wrap what makes generic functions, and what registers codecs and extension codes."""

        @functools.wraps(plain_singledispatch)
        def singledispatch(func: Any) -> Any:
            generic = plain_singledispatch(func)
            self._new.append(weakref.ref(generic))
            return generic

        self._patches.put(functools, "singledispatch", singledispatch)
        self._patches.put(codecs, "register", self._register_codec)
        self._extensions.install()
        after_import.call("sqlite3", self._watch_sqlite)

    def look(self) -> None:
        """Find the generic functions that were made before `install`; they stand in modules. The first call does it."""
        if not self._has_looked:
            self._has_looked = True
            self._new += map(weakref.ref, generic_functions())

    def begin(self) -> None:
        """Note what is there before a load."""
        self.look()
        self._sort()
        self._extensions.begin()
        for each in self._registries():
            each.begin()

    def published(self, generation: Generation) -> None:  # noqa: ARG002 - as the others have it
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
        for module in generation.files.keys() | generation.modules.keys():
            for overloads in list(overload_registry().get(module, {}).values()):
                # By line, so a newer generation has put its own in the place of those that have not moved.
                for line in [line for line, each in list(overloads.items()) if owner_of(each) is generation]:
                    overloads.pop(line, None)

    def _registries(self) -> list[Registry]:
        return [*self._tables, *(registry for _, registry in rows(self._generics))]

    def _sort(self) -> None:
        """Enter the new generic functions that are of no generation: one of a generation goes with that."""
        new, self._new = self._new, []
        for reference in new:
            generic = reference()
            table = table_of(generic)
            if generic is not None and table is not None and owner_of(generic) is None:
                self._generics.setdefault(generic, Registry(table, dispatch_cache_clearer(generic)))

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


_plain_register_codec = codecs.register
