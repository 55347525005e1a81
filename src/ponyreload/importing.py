"""Importing: the routed and the lexical import. The one file that touches `sys.modules` and `builtins`.

Two kinds of routing keep a request on one generation:

- *dynamic*: `sys.modules` holds a `RoutedModule` for each user module, which passes on to the generation that is
  active in the context. It serves whoever looks a module up by name: pickle, typing, dataclasses, importlib.
- *lexical*: `builtins.__import__` is wrapped. Code whose globals carry the mark of a generation gets that
  generation's *real* modules, at full speed, whatever context it runs in.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.machinery
import importlib.util
import linecache
import os
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any

from ponyreload import marking
from ponyreload.generations import MARK, Generation, active, entered
from ponyreload.routed import RoutedModule, name_of
from ponyreload.sources import Sources

__all__ = ["Importer"]

_bootstrap: Any = importlib._bootstrap

MAIN = "__main__"


class Importer:
    """Imports user modules into generations.

    Threads: a module is run under its own lock, one per generation and name, of the kind that the import system
    uses for itself, so that it sees through a deadlock between the two. ``_lock`` protects the tables; it is held
    for look-ups only, never while anybody's code runs.
    """

    def __init__(self, sources: Sources, is_included: Callable[[str], bool]) -> None:
        self.sources = sources
        self._is_included = is_included
        self._lock = threading.RLock()
        # What stands in sys.modules:  "shop.cart" -> <routed module 'shop.cart'>
        self.routed: dict[str, RoutedModule] = {}
        # Modules that a generation loaded and that turned out to be system modules, while older generations
        # still have them as user modules:  "shop.const" -> <module>
        self._kept_as_system: dict[str, ModuleType] = {}
        self._generations: Callable[[], Iterable[Generation]] = tuple
        # What to call once a system module has been imported:  "cherrypy" -> <function>
        self.call_after_import: dict[str, Callable[[], object]] = {}
        self._finder = Finder(self)
        self.installed = False

    # -- what is there ---------------------------------------------------------------------------------------

    def look(self, generation: Generation, name: str) -> Any:
        """Return the generation's module *name* if it is there, else None."""
        module = generation.modules.get(name)
        if module is None:
            module = self._kept_as_system.get(name)
        if module is None and self._is_run_by_this_thread(generation, name):
            module = generation.running.get(name)
        return module

    def load(self, generation: Generation, name: str) -> Any:
        """Return the generation's module *name*; run its code first if that has not been done.

        Another thread that is running it is waited for.

        Raises:
            ModuleNotFoundError: There is no such module any more.
            BaseException: What the module's code raises.
        """
        module = self.look(generation, name)
        if module is not None:
            return module
        if name == MAIN:
            raise ModuleNotFoundError(f"the main script is no part of {generation}", name=MAIN)
        generation.check()
        # The import system's own lock class: there is no public one, and only this one knows which thread waits
        # for which module, so that two threads in a circular import, ours and the system's, do not wait for ever.
        with self._lock:
            lock: Any = generation.import_locks.setdefault(name, _bootstrap._ModuleLock(name))
        try:
            lock.acquire()
        except _bootstrap._DeadlockError:
            # As in a plain circular import between threads: better half a module than none.
            module = generation.modules.get(name, generation.running.get(name))
            if module is None:
                raise ImportError(f"two threads import {name!r} and wait for each other", name=name) from None
            return module
        try:
            module = self.look(generation, name)
            return self._run_once(generation, name) if module is None else module
        finally:
            lock.release()

    def _is_run_by_this_thread(self, generation: Generation, name: str) -> bool:
        lock = generation.import_locks.get(name)
        return lock is not None and lock.owner == threading.get_ident()

    def real(self, generation: Generation, module: Any) -> Any:
        """Return the generation's own module for a routed one; anything else as it is."""
        return self.load(generation, name_of(module)) if type(module) is RoutedModule else module

    # -- running a module ------------------------------------------------------------------------------------

    def _run_once(self, generation: Generation, name: str) -> Any:
        # The name is needed from here on, without a gap: `tidy` may come from another thread at any moment.
        with self._lock:
            generation.running.setdefault(name, None)
        try:
            return self._run(generation, name)
        finally:
            with self._lock:
                generation.running.pop(name, None)

    def _run(self, generation: Generation, name: str) -> Any:
        """Find module *name* anew and run its code in *generation*. The caller holds its import lock."""
        parent, _, child = name.rpartition(".")
        path = None
        if parent:
            package = self.require(generation, parent)
            there = self.look(generation, name)
            if there is not None:
                return there  # running the parent has imported it
            try:
                path = package.__path__
            except AttributeError:
                message = f"No module named {name!r}; {parent!r} is not a package"
                raise ModuleNotFoundError(message, name=name) from None
        with entered(generation):
            spec = self._finder.find_elsewhere(name, path)
            if spec is None:
                note_missing(generation, name, path)
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            module = importlib.util.module_from_spec(spec)
            self._execute(generation, name, module, spec)
        if not marking.is_user(name, vars(module), self._is_included):
            generation.unmarked.add(name)
        complete = self._complete(generation, name, module)
        if parent:
            self._bind(generation, parent, child, complete)
        return complete

    def begin(self, generation: Generation, name: str, routed: Any) -> None:
        """Enter a module that the import system has just met for the first time, and is about to run."""
        with self._lock:
            generation.running.setdefault(name, None)
            self.routed[name] = routed

    def give_up(self, generation: Generation, name: str) -> None:
        """Undo `begin` for a module that could not be run; the import system takes it out of `sys.modules`."""
        with self._lock:
            generation.running.pop(name, None)
            self.tidy()

    def _execute(self, generation: Generation, name: str, module: ModuleType, spec: Any) -> None:
        namespace = vars(module)
        namespace[MARK] = generation
        generation.running[name] = module
        # The interpreter words its error for a circular import by this flag.
        spec._initializing = True
        try:
            if spec.origin is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
                exec(self.code(generation, spec.origin, spec.loader), namespace)  # noqa: S102 - this is an importer
            elif spec.loader is not None:
                spec.loader.exec_module(module)
        finally:
            spec._initializing = False

    def code(self, generation: Generation, file: str, loader: Any = None) -> Any:
        """Return the code of *file* in the version that *generation* runs, read now if it has none yet."""
        source = generation.sources.get(file)
        if source is None:
            source = generation.sources.setdefault(file, self.sources.read(file))
            if generation.published:
                generation.late.add(file)
        return source.code(loader)

    def _complete(self, generation: Generation, name: str, module: ModuleType) -> Any:
        """Enter a module that has run among the generation's own."""
        with self._lock:
            standing = sys.modules.get(name)
            ours = self.routed.get(name)
            result: Any = module
            if standing is not None and standing is not ours and type(standing) is not RoutedModule:
                # The module put another object in its own place.
                result = standing
                if ours is not None:
                    sys.modules[name] = ours
            generation.modules[name] = result
        self._settle(generation, vars(module))
        if generation.published:
            self.sort_out(generation)
        return result

    def _settle(self, generation: Generation, namespace: dict[str, Any]) -> None:
        """Put real modules for the routed ones in a user module's namespace.

        They get there when a system package hands out its submodule, or out of `sys.modules` in a circular import.
        """
        for key, value in list(namespace.items()):
            if type(value) is RoutedModule:
                module = self.look(generation, name_of(value))
                namespace[key] = value if module is None else module

    def _bind(self, generation: Generation, parent: str, child: str, module: Any) -> None:
        """Make a module an attribute of its package, as the import system does."""
        package = self.look(generation, parent)
        if package is not None:
            setattr(package, child, module)
        elif parent in sys.modules:
            routed = self.routed.get(f"{parent}.{child}")
            setattr(sys.modules[parent], child, module if routed is None else routed)

    def require(self, generation: Generation, name: str) -> Any:
        """Import *name* as code of *generation* would, and return the module itself, user or system."""
        with entered(generation):
            if name in self.routed:
                return self.load(generation, name)
            _plain_import(name)
            return self.real(generation, sys.modules[name])

    def run_main(self, generation: Generation, given: Mapping[str, Any]) -> None:
        """Run the main script. Returns when the script ends, which may be long after it serves.

        Args:
            generation: The generation to run it in.
            given: What the script's module has that its code does not make itself, ``__file__`` among it.
        """
        module = ModuleType(MAIN)
        namespace = vars(module)
        namespace.update(given)
        namespace[MARK] = generation
        with self._lock:
            # Complete from the start: another thread must never wait for a script that is parked at its server.
            generation.modules[MAIN] = module
        exec(self.code(generation, namespace["__file__"]), namespace)  # noqa: S102 - this is an importer

    # -- user or system --------------------------------------------------------------------------------------

    def is_candidate(self, spec: Any) -> bool:
        """Tell whether a module that no generation has loaded yet may be a user module."""
        if not isinstance(spec.loader, importlib.machinery.SourceFileLoader) or marking.is_named_by(
            spec.name, ("ponyreload",)
        ):
            return False
        return marking.is_project_file(spec.origin) or self._is_included(spec.name)

    def adopt(self, generation: Generation) -> list[str]:
        """Make the marked modules that Python itself has imported part of *generation*, as they are.

        Returns the names of those that are new. Modules whose code is still running are found by a later call.
        """
        new = []
        with self._lock:
            for name, standing in list(sys.modules.items()):
                if type(standing) is RoutedModule or standing is None:
                    continue
                namespace = _namespace_of(name, standing)
                # A module that stands under a second name is adopted under its own.
                if marking.is_user(name, namespace, self._is_included) and namespace.get("__name__") == name:
                    if not _has_source(name, namespace):
                        continue
                    namespace[MARK] = generation
                    generation.modules[name] = standing
                    new.append(name)
            for name in new:
                self.routed[name] = sys.modules[name] = RoutedModule(name, self, generation.modules[name])
            self._reroute_holders(generation, new)
            for name, standing in generation.modules.items():
                self._settle(generation, _namespace_of(name, standing))
        return new

    def find_unreadable(self) -> dict[str, object]:
        """Return the marked modules that cannot be reloaded, and their files: "shop" -> "/site/shop.egg/shop.pyc"."""
        found = {}
        for name, standing in list(sys.modules.items()):
            if type(standing) is not RoutedModule:
                namespace = _namespace_of(name, standing)
                if marking.own_word(namespace) and not _has_source(name, namespace):
                    found[name] = namespace.get("__file__")
        return found

    def _reroute_holders(self, generation: Generation, names: Iterable[str]) -> None:
        """Give the project's system modules, and packages that are system modules, routed modules for real ones.

        They were imported before the routing began, and would go on with generation 1 for ever.
        """
        real_to_routed = {id(generation.modules[name]): self.routed[name] for name in names}
        parents = {name.rpartition(".")[0] for name in names}
        for name, module in list(sys.modules.items()):
            if type(module) is RoutedModule or not isinstance(module, ModuleType):
                continue
            namespace = vars(module)
            if name in parents or marking.is_project_file(namespace.get("__file__")):
                for key, value in list(namespace.items()):
                    if id(value) in real_to_routed:
                        namespace[key] = real_to_routed[id(value)]

    def sort_out(self, generation: Generation) -> None:
        """Make system modules of those that *generation* loaded and that turned out unmarked."""
        with self._lock:
            for name in generation.unmarked:
                module = self._kept_as_system[name] = generation.modules.pop(name)
                namespace = _namespace_of(name, module)
                namespace.pop(MARK, None)
                generation.sources.pop(namespace.get("__file__") or "", None)
                for key, value in list(namespace.items()):
                    if isinstance(value, ModuleType) and generation.modules.get(value.__name__) is value:
                        namespace[key] = self.routed[value.__name__]
            if generation.unmarked:
                generation.unmarked.clear()
                self.tidy()

    def tidy(self) -> None:
        """Take away the routed modules that no living generation needs."""
        with self._lock:
            needed: set[str] = set()
            for generation in self._generations():
                needed |= generation.modules.keys() | generation.running.keys()
            for name in self.routed.keys() - needed:
                routed = self.routed.pop(name)
                system = self._kept_as_system.pop(name, None)
                if sys.modules.get(name) is routed:
                    if system is None:
                        del sys.modules[name]
                    else:
                        sys.modules[name] = system
                parent, _, child = name.rpartition(".")
                holder = sys.modules.get(parent)
                if holder is not None and type(holder) is not RoutedModule and vars(holder).get(child) is routed:
                    if system is None:
                        delattr(holder, child)
                    else:
                        setattr(holder, child, system)

    # -- the hooks -------------------------------------------------------------------------------------------

    def install(self, generations: Callable[[], Iterable[Generation]]) -> None:
        """Wrap the import system. *generations* gives those that live, oldest first."""
        self._generations = generations
        if self.installed:
            return
        self.installed = True
        builtins.__import__ = self._import
        # What `importlib.import_module` calls, also where that was bound by name before. Not public; its
        # presence is pinned by a test of what we assume of Python.
        _bootstrap._gcd_import = self._import_by_name
        linecache.getlines = self._getlines
        sys.meta_path.insert(0, self._finder)

    def uninstall(self, generation: Generation) -> None:
        """Undo `install`, and leave the modules of *generation* in `sys.modules`."""
        if not self.installed:
            return
        self.installed = False
        if builtins.__import__ == self._import:
            builtins.__import__ = _plain_import
        if _bootstrap._gcd_import == self._import_by_name:
            _bootstrap._gcd_import = _plain_import_by_name
        if linecache.getlines == self._getlines:
            linecache.getlines = _plain_getlines
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        with self._lock:
            for name, routed in self.routed.items():
                if sys.modules.get(name) is routed:
                    module = self.look(generation, name)
                    if module is None:
                        del sys.modules[name]
                    else:
                        sys.modules[name] = module

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        """What `builtins.__import__` is while autoreload is on."""
        generation = None if globals is None else globals.get(MARK)
        if generation is None or globals is None:
            if name in self.routed and not level:
                # Before 3.12 the interpreter swallows an error in `__spec__`, so a system module that imports a
                # broken user module would not hear of it.
                system_sees = active()
                if system_sees is not None:
                    self._load_along(system_sees, name)
            return _plain_import(name, globals, locals, fromlist, level)

        # The usual case, a module that is there: no context, no locks.
        modules = generation.modules
        if not level:
            module = modules.get(name)
            if module is not None:
                if not fromlist:
                    top = modules.get(name.partition(".")[0])
                    if top is not None:
                        return top
                elif all(map(getattr(module, "__dict__", {}).__contains__, fromlist)):
                    return module

        with entered(generation):
            full = name if not level else _absolute_name(name, globals, level)
            package = self._load_along(generation, full)
            if fromlist:
                self._load_children(generation, full, package, fromlist)
            return self.real(generation, _plain_import(name, globals, locals, fromlist, level))

    def _import_by_name(self, name: str, package: str | None = None, level: int = 0) -> Any:
        """What `importlib.import_module` uses while autoreload is on."""
        frame = sys._getframe(1)
        if frame.f_globals.get("__name__") == "importlib" and frame.f_back is not None:
            frame = frame.f_back
        lexical = frame.f_globals.get(MARK)
        generation = lexical or active()
        if generation is None:
            return _plain_import_by_name(name, package, level)
        with entered(generation):
            full = name if not level else importlib.util.resolve_name("." * level + name, package)
            self._load_along(generation, full)
            module = _plain_import_by_name(name, package, level)
            return module if lexical is None else self.real(generation, module)

    def _load_along(self, generation: Generation, name: str) -> Any:
        """Load the user modules among a dotted name's packages and itself; return the module if it is one."""
        module = self.look(generation, name)
        if module is None and (name in self.routed or "." in name):
            dot = name.find(".")
            while dot > 0:
                if name[:dot] in self.routed:
                    self.load(generation, name[:dot])
                dot = name.find(".", dot + 1)
            if name in self.routed:
                module = self.load(generation, name)
            elif name in sys.modules:
                # A system module in a user package: this generation's package gets it as its attribute.
                parent, _, child = name.rpartition(".")
                package = self.look(generation, parent)
                if package is not None and child not in getattr(package, "__dict__", {}):
                    setattr(package, child, sys.modules[name])
        return module

    def _load_children(self, generation: Generation, name: str, package: Any, fromlist: Iterable[str]) -> None:
        """Load the submodules that ``from name import …`` asks for."""
        namespace = getattr(sys.modules.get(name) if package is None else package, "__dict__", {})
        for attribute in fromlist:
            child = f"{name}.{attribute}"
            if child in self.routed and type(namespace.get(attribute, self.routed[child])) is RoutedModule:
                try:
                    self.load(generation, child)
                except ModuleNotFoundError as error:
                    if error.name != child:
                        raise
                    # The interpreter's own words for it; it would find the routed module, and not complain.
                    file = namespace.get("__file__") or "unknown location"
                    message = f"cannot import name {attribute!r} from {name!r} ({file})"
                    raise ImportError(message, name=name, path=namespace.get("__file__")) from None

    def _getlines(self, filename: str, module_globals: dict[str, Any] | None = None) -> list[str]:
        """What `linecache.getlines` is while autoreload is on: a generation's tracebacks show the lines it ran."""
        generation = (module_globals or {}).get(MARK) or active()
        source = None if generation is None else generation.sources.get(filename)
        return _plain_getlines(filename, module_globals) if source is None else source.lines()


class Finder:
    """Stands first in `sys.meta_path`; is asked for what `sys.modules` lacks, so for a module's very first import."""

    def __init__(self, importer: Importer) -> None:
        self._importer = importer

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> Any:  # noqa: ARG002
        spec = self.find_elsewhere(name, path)
        generation = active()
        if generation is not None:
            if spec is None:
                note_missing(generation, name, path)
            elif self._importer.is_candidate(spec):
                spec.loader = CandidateLoader(self._importer, spec.loader)
            elif name in self._importer.call_after_import:
                spec.loader = NotifyingLoader(spec.loader, self._importer.call_after_import.pop(name))
        return spec

    def find_elsewhere(self, name: str, path: Sequence[str] | None) -> Any:
        """Ask the finders that come after us."""
        for finder in list(sys.meta_path):
            if finder is not self and hasattr(finder, "find_spec"):
                spec = finder.find_spec(name, path)
                if spec is not None:
                    return spec
        return None


class CandidateLoader:
    """Lets the import system make a routed module, and runs the code in the active generation."""

    def __init__(self, importer: Importer, loader: Any) -> None:
        self._importer = importer
        self._loader = loader

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._loader, attribute)  # get_source, get_data, is_package …

    def create_module(self, spec: Any) -> ModuleType:
        return RoutedModule(spec.name, self._importer)

    def exec_module(self, routed: ModuleType) -> None:
        importer = self._importer
        name = name_of(routed)
        generation = active()
        assert generation is not None
        importer.begin(generation, name, routed)
        try:
            importer.load(generation, name)
        except BaseException:
            importer.give_up(generation, name)
            raise


class NotifyingLoader:
    """Loads a system module as its own loader does, then tells somebody."""

    def __init__(self, loader: Any, call: Callable[[], object]) -> None:
        self._loader = loader
        self._call = call

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._loader, attribute)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        self._call()


def note_missing(generation: Generation, name: str, path: Iterable[str] | None) -> None:
    """Remember where the project could have had a module that was not found: creating it there is a change."""
    for folder in sys.path if path is None else path:
        base = os.path.join(os.path.abspath(folder), name.rpartition(".")[2])
        if marking.is_project_file(base + ".py"):
            generation.missing.add(base)


def _has_source(name: str, namespace: Mapping[str, Any]) -> bool:
    """Tell whether a module can be run again: not out of a zip archive, or where there is bytecode only."""
    file = namespace.get("__file__")
    return isinstance(file, str) and (name == MAIN or file.endswith((".py", ".pyw"))) and os.path.isfile(file)


def _namespace_of(name: str, standing: Any) -> dict[str, Any]:
    """Return the namespace that module *name*'s code ran in, also if it put another object in its own place."""
    namespace = getattr(standing, "__dict__", None)
    if not isinstance(namespace, dict):
        namespace = {}
    if "__builtins__" not in namespace:
        # Not a namespace that code ran in. The methods of the object's class know theirs.
        for method in vars(type(standing)).values():
            theirs = getattr(method, "__globals__", None)
            if theirs is not None and theirs.get("__name__") == name:
                return theirs  # type: ignore[no-any-return]
    return namespace


def _absolute_name(name: str, globals: Mapping[str, Any], level: int) -> str:
    package = globals.get("__package__")
    if package is None:
        package = globals["__name__"]
        if "__path__" not in globals:
            package = package.rpartition(".")[0]
    return importlib.util.resolve_name("." * level + name, package)


_plain_import = builtins.__import__
_plain_import_by_name = _bootstrap._gcd_import
_plain_getlines = linecache.getlines
