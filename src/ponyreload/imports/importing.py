"""Importing: the wrapped import system. The one file that touches `builtins`.

Two kinds of routing keep a request on one generation:

- *dynamic*: `sys.modules` holds a `RoutedModule` for each user module, which passes on to the generation that is
  active in the context. It serves whoever looks a module up by name: pickle, typing, dataclasses, importlib.
- *lexical*: `builtins.__import__` is wrapped. Code whose globals carry the mark of a generation gets that
  generation's *real* modules, at full speed, whatever context it runs in.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import linecache
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any

from ponyreload.generations.context import (
    MARK,
    active,
    calling_names,
    entered,
    entered_generation,
    generation_of,
    note_imports,
)
from ponyreload.generations.generation import Generation
from ponyreload.imports.finders import Finder
from ponyreload.imports.modules import Modules, plain_import, plain_reload
from ponyreload.imports.names import MAIN
from ponyreload.imports.routed import RoutedModule, name_of

__all__ = ["ImportHooks"]

_bootstrap: Any = importlib._bootstrap
# Packages without user modules, from which every user module imports all.
OURS = ("ponyreload", "ponyreload.main")


class ImportHooks:
    """What stands in the import system's places while autoreload is on. They may be called from any thread."""

    def __init__(self, modules: Modules) -> None:
        self._modules = modules
        # What to call once a system module has been imported:  "cherrypy" -> <function>
        self.call_after_import: dict[str, Callable[[], object]] = {}
        self._finder = modules.our_finder = Finder(modules, self.call_after_import)
        self._installed = False

    def install(self) -> None:
        """Wrap the import system."""
        self._installed = True
        builtins.__import__ = self._import
        # What `importlib.import_module` calls, also where that was bound by name before. Not public; its
        # presence is pinned by a test of what we assume of Python.
        _bootstrap._gcd_import = self._import_by_name
        linecache.getlines = self._getlines
        importlib.reload = self._reload
        sys.meta_path.insert(0, self._finder)

    def uninstall(self, generation: Generation) -> None:
        """Undo `install`, and leave the real modules of *generation* in `sys.modules`."""
        if not self._installed:
            return
        self._installed = False
        if builtins.__import__ == self._import:
            builtins.__import__ = plain_import
        if _bootstrap._gcd_import == self._import_by_name:
            _bootstrap._gcd_import = _plain_import_by_name
        if linecache.getlines == self._getlines:
            linecache.getlines = _plain_getlines
        if importlib.reload == self._reload:
            importlib.reload = plain_reload
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        self._modules.leave(generation)

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        """What `builtins.__import__` is while autoreload is on."""
        generation: Generation | None = None if globals is None else globals.get(MARK)
        if generation is None or globals is None:
            if name in self._modules.routed and not level:
                # Before 3.12 the interpreter swallows an error in `__spec__`, so a system module that imports a
                # broken user module would not hear of it.
                system_sees = active()
                if system_sees is not None:
                    self._load_along(system_sees, name)
            return plain_import(name, globals, locals, fromlist, level)

        # The usual case, a module that is there: no context, no locks.
        full = name if not level else _absolute_name(name, globals, level)
        if generation.imports is not None:
            generation = generation_of(globals) or generation
            note_imports(_named(full, fromlist), globals)
        modules = generation.modules
        module = modules.get(full)
        if module is not None:
            if not fromlist:
                top = None if level else modules.get(name.partition(".")[0])
                if top is not None:
                    return top
            elif _has_all(module, fromlist):
                return module
        else:
            standing = self._system_module(full, fromlist)
            if standing is not None:
                return standing
        is_entered = entered_generation() is generation
        if is_entered:
            return self._import_for(generation, full, name, globals, locals, fromlist, level)
        with entered(generation):
            return self._import_for(generation, full, name, globals, locals, fromlist, level)

    def _import_for(
        self,
        generation: Generation,
        full: str,
        name: str,
        globals: Mapping[str, Any],
        locals: Mapping[str, Any] | None,
        fromlist: Sequence[str] | None,
        level: int,
    ) -> Any:
        """Load what code of *generation* imports, and return what its import statement is to get."""
        package = self._load_along(generation, full)
        if fromlist:
            self._load_children(generation, full, package, fromlist)
            if package is not None and _has_all(package, fromlist):
                return package
        module = self._modules.real(generation, plain_import(name, globals, locals, fromlist, level))
        # A system package has routed modules for its children; user code is to get the real ones.
        is_mixed = package is None and full in self._modules.packages
        needs_view = is_mixed and fromlist and "*" not in fromlist
        return PackageView(module, generation, self._modules) if needs_view else module

    def _system_module(self, name: str, fromlist: Sequence[str] | None) -> Any:
        """Return what an import of a system module gets that is there, and has nothing to do with user modules."""
        routed = self._modules.routed
        standing = sys.modules.get(name)
        if standing is None or name in routed or getattr(getattr(standing, "__spec__", None), "_initializing", False):
            return None  # one that another thread is running is waited for
        if not fromlist:
            if "." not in name:
                return standing
            top = name.partition(".")[0]
            return None if top in routed else sys.modules.get(top)
        # Only a package may have to import what it is asked for, and it may be a user module.
        is_plain = name not in self._modules.packages and (
            _has_all(standing, fromlist) or not _is_package(name, standing)
        )
        return standing if is_plain else None

    def _import_by_name(self, name: str, package: str | None = None, level: int = 0) -> Any:
        """What `importlib.import_module` uses while autoreload is on."""
        frame = sys._getframe(1)
        if frame.f_globals.get("__name__") == "importlib" and frame.f_back is not None:
            frame = frame.f_back
        lexical = generation_of(frame.f_globals)
        generation = lexical or active()
        if generation is None:
            return _plain_import_by_name(name, package, level)
        with entered(generation):
            full = name if not level else importlib.util.resolve_name("." * level + name, package)
            if generation.imports is not None:
                note_imports(_named(full), calling_names())
            self._load_along(generation, full)
            module = _plain_import_by_name(name, package, level)
            return module if lexical is None else self._modules.real(generation, module)

    def _load_along(self, generation: Generation, name: str) -> Any:
        """Load the user modules among a dotted name's packages and itself; return the module if it is one."""
        module = self._modules.look(generation, name)
        if module is None and (name in self._modules.routed or "." in name):
            dot = name.find(".")
            while dot > 0:
                if name[:dot] in self._modules.routed:
                    self._modules.load(generation, name[:dot])
                dot = name.find(".", dot + 1)
            if name in self._modules.routed:
                module = self._modules.load(generation, name)
            elif name in sys.modules:
                # A system module in a user package: this generation's package gets it as its attribute.
                parent, _, child = name.rpartition(".")
                package = self._modules.look(generation, parent)
                if package is not None and child not in getattr(package, "__dict__", {}):
                    setattr(package, child, sys.modules[name])
        return module

    def _load_children(self, generation: Generation, name: str, package: Any, fromlist: Iterable[str]) -> None:
        """Load the submodules that ``from name import …`` asks for."""
        namespace = getattr(sys.modules.get(name) if package is None else package, "__dict__", {})
        for attribute in fromlist:
            child = f"{name}.{attribute}"
            if child not in self._modules.routed:
                if package is not None and attribute not in namespace and child in sys.modules:
                    # A system module in a user package: as in `_load_along`.
                    setattr(package, attribute, sys.modules[child])
            elif type(namespace.get(attribute, self._modules.routed[child])) is RoutedModule:
                try:
                    self._modules.load(generation, child)
                except ModuleNotFoundError as error:
                    if error.name != child:
                        raise
                    # The interpreter's own words for it; it would find the routed module, and not complain.
                    file = namespace.get("__file__") or "unknown location"
                    message = f"cannot import name {attribute!r} from {name!r} ({file})"
                    raise ImportError(message, name=name, path=namespace.get("__file__")) from None

    def _reload(self, module: ModuleType) -> ModuleType:
        """What `importlib.reload` is while autoreload is on: a user module is run again in its own generation."""
        is_routed = type(module) is RoutedModule
        generation = active() if is_routed else getattr(module, "__dict__", {}).get(MARK)
        name = name_of(module) if is_routed else getattr(module, "__name__", None)
        if generation is None or name not in self._modules.routed or name == MAIN or not self._installed:
            return plain_reload(module)
        self._modules.run_again(generation, name)
        return module

    def _getlines(self, filename: str, module_globals: dict[str, Any] | None = None) -> list[str]:
        """What `linecache.getlines` is while autoreload is on: a generation's tracebacks show the lines it ran."""
        generation = (module_globals or {}).get(MARK) or active()
        source = None if generation is None else generation.sources.get(filename)
        return _plain_getlines(filename, module_globals) if source is None else source.lines()


class PackageView:
    """What ``from package import …`` gets of a system package with user modules in it: the generation's own ones."""

    def __init__(self, package: Any, generation: Generation, modules: Modules) -> None:
        self._package = package
        self._generation = generation
        self._modules = modules

    def __getattr__(self, name: str) -> Any:
        return self._modules.real(self._generation, getattr(self._package, name))


def _has_all(module: Any, fromlist: Iterable[str]) -> bool:
    """Tell whether a module has what is to be taken from it, so that nothing has to be imported for that."""
    return all(map(getattr(module, "__dict__", {}).__contains__, fromlist))


def _named(name: str, fromlist: Sequence[str] | None = ()) -> list[str]:
    """Return the modules that an import statement names, and those that it may name."""
    if fromlist:
        return [name, *(f"{name}.{attribute}" for attribute in fromlist)]
    named = [name]
    while "." in name:
        name = name.rpartition(".")[0]  # ``import shop.cart`` gives the package
        named.append(name)
    return named


def _is_package(name: str, module: Any) -> bool:
    return name not in OURS and "__path__" in getattr(module, "__dict__", {})


def _absolute_name(name: str, globals: Mapping[str, Any], level: int) -> str:
    package = globals.get("__package__")
    if package is None:
        package = globals["__name__"]
        if "__path__" not in globals:
            package = package.rpartition(".")[0]
    above = package.rsplit(".", level - 1)
    if package and len(above) == level:
        return f"{above[0]}.{name}" if name else above[0]
    return importlib.util.resolve_name("." * level + name, package)  # which raises what there is to raise


_plain_import_by_name = _bootstrap._gcd_import
_plain_getlines = linecache.getlines
