"""Modules: the user modules of all generations, and what stands for them in `sys.modules`."""

from __future__ import annotations

import builtins
import importlib
import importlib.machinery
import importlib.util
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any

from ponyreload.code.sources import Sources
from ponyreload.generations.context import MARK, entered, entered_generation
from ponyreload.generations.generation import Generation, Run
from ponyreload.imports.advice import tell_of_known, tell_of_mixed
from ponyreload.imports.isolation import is_library, library_code
from ponyreload.imports.names import MAIN, namespace_of, note_missing
from ponyreload.imports.routed import RoutedModule, name_of
from ponyreload.imports.sharing import give_children
from ponyreload.imports.specs import Specs
from ponyreload.interpreter.turns import give_turn
from ponyreload.options import marking

__all__ = ["Modules", "plain_import", "plain_reload"]

_bootstrap: Any = importlib._bootstrap


class Modules:
    """The user modules of all generations, and what stands for them in `sys.modules`.

    Threads: a module is run under its own lock, one per generation and name, of the kind that the import system
    uses for itself, so that it sees through a deadlock between the two. ``lock`` protects the tables; it is held
    for look-ups only, never while anybody's code runs.
    """

    def __init__(
        self, sources: Sources, is_included: Callable[..., bool], living: Callable[[], Iterable[Generation]]
    ) -> None:
        self._sources = sources
        self._specs = Specs()
        self.is_included = is_included
        self._living = living
        self.lock = threading.RLock()
        # What stands in sys.modules:  "shop.cart" -> <routed module 'shop.cart'>
        self.routed: dict[str, RoutedModule] = {}
        # The packages of these, user or system: {"shop"}
        self.packages: set[str] = set()
        # Modules that a generation loaded and that turned out to be system modules, while older generations
        # still have them as user modules:  "shop.const" -> <module>
        self._kept_as_system: dict[str, ModuleType] = {}
        # What the main script's module has that its code does not make itself; taken when it is adopted, because
        # the interpreter takes some of it away when the script's first run has ended.
        self.given_to_script: dict[str, Any] = {}
        # The finder that makes candidates of modules, to be passed over where the real ones are found.
        self.our_finder: object = None

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
        with self.lock:
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
            if module is None:
                module = self._run_once(generation, name)
                # From here on it is found complete, by those too who wait for the lock now or are about to ask for one.
                generation.import_locks.pop(name, None)
            return module
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
        with self.lock:
            generation.running.setdefault(name, None)
        try:
            module = self._run(generation, name)
        finally:
            with self.lock:
                generation.running.pop(name, None)
                if generation.published:
                    self._sort_out(generation)
        if name not in generation.modules:
            # It turned out to be a system module, and another generation may have run it at the same time.
            standing = self._kept_as_system.get(name, sys.modules.get(name))
            if standing is not None and type(standing) is not RoutedModule:
                module = standing
        return module

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
            spec = self.find_spec(name, path)
            if spec is None:
                note_missing(generation, name, path)
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            module = importlib.util.module_from_spec(spec)
            if generation.shared and spec.submodule_search_locations is not None:
                give_children(generation, name, module)
            standing = sys.modules.get(name)
            try:
                self._execute(generation, name, module, spec)
            except BaseException:
                # It may have put another object in its own place before it failed.
                if standing is not None and sys.modules.get(name) is not standing:
                    sys.modules[name] = standing
                raise
        if not marking.is_user(name, vars(module), self.is_included) and not self._is_emptied(generation, name):
            generation.unmarked.add(name)
        complete = self._complete(generation, name, module)
        if parent:
            self._bind(generation, parent, child, complete)
        if not generation.published:
            generation.turn_at = give_turn(generation.turn_at)
        return complete

    def _is_emptied(self, generation: Generation, name: str) -> bool:
        """Tell whether a module was a user module, and is empty: it does not say that it is none any more.

        An editor that writes in place empties the file first.
        """
        source = generation.sources.get(generation.files.get(name, ""))
        is_empty = source is not None and not source.data.strip()
        return is_empty and any(each.published and name in each.modules for each in self._living())

    def find_spec(self, name: str, path: Sequence[str] | None) -> Any:
        """Ask the finders of the import system, but not ours, where a module is."""
        for finder in list(sys.meta_path):
            if finder is not self.our_finder and hasattr(finder, "find_spec"):
                is_plain = finder is importlib.machinery.PathFinder
                spec = self._specs.find(name, path) if is_plain else finder.find_spec(name, path)
                if spec is not None:
                    return spec
        return None

    def begin(self, generation: Generation, name: str, routed: Any) -> None:
        """Enter a module that the import system has just met for the first time, and is about to run."""
        with self.lock:
            generation.running.setdefault(name, None)
            self.route(name, routed)

    def route(self, name: str, routed: RoutedModule) -> None:
        """Enter what stands for a user module. Called with the lock held."""
        self.routed[name] = routed
        self.packages.add(name.rpartition(".")[0])

    def give_up(self, generation: Generation, name: str) -> None:
        """Undo `begin` for a module that could not be run; the import system takes it out of `sys.modules`."""
        with self.lock:
            generation.running.pop(name, None)
            self.tidy()

    def run_again(self, generation: Generation, name: str) -> None:
        """Run the code of the generation's module *name* once more, in the namespace that it has, as `reload` does."""
        module = self.load(generation, name)
        try:
            with entered(generation):
                self._execute(generation, name, module, module.__spec__)
        finally:
            generation.running.pop(name, None)

    def _execute(self, generation: Generation, name: str, module: ModuleType, spec: Any) -> None:
        namespace = vars(module)
        namespace[MARK] = generation
        generation.running[name] = module
        # The interpreter words its error for a circular import by this flag.
        spec._initializing = True
        generation.runs.append(run := Run(name))
        try:
            if spec.origin is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
                exec(self._code(generation, name, spec.origin, spec.loader), namespace)  # noqa: S102 - this is an importer
            elif spec.loader is not None:
                spec.loader.exec_module(module)
        finally:
            run.ended = time.monotonic()
            spec._initializing = False

    def _code(self, generation: Generation, name: str, file: str, loader: Any = None) -> Any:
        """Return the code of a module in the version that *generation* runs, read now if it has none yet."""
        if is_library(name, file):
            return library_code(name, file, loader)
        generation.files[name] = file
        source = generation.sources.get(file)
        if source is None:
            source = generation.sources.setdefault(file, self._sources.read(file))
        return source.code(loader)

    def _complete(self, generation: Generation, name: str, module: ModuleType) -> Any:
        """Enter a module that has run among the generation's own."""
        with self.lock:
            standing = sys.modules.get(name)
            ours = self.routed.get(name)
            result: Any = module
            if standing is not None and standing is not ours and type(standing) is not RoutedModule:
                # The module put another object in its own place.
                result = standing
                if ours is not None:
                    sys.modules[name] = ours
            generation.modules[name] = result
        self.settle(generation, vars(module))
        tell_of_known({name: module}, self.is_included)
        return result

    def settle(self, generation: Generation, namespace: dict[str, Any]) -> None:
        """Put real modules for the routed ones in a user module's namespace.

        They get there when a system package hands out its submodule, or out of `sys.modules` in a circular import.
        """
        if RoutedModule not in map(type, list(namespace.values())):
            return  # as with nearly all; this is the shortest way to see it
        for key, value in list(namespace.items()):
            if type(value) is RoutedModule:
                module = self.look(generation, name_of(value))
                namespace[key] = value if module is None else module

    def _bind(self, generation: Generation, parent: str, child: str, module: Any) -> None:
        """Make a module an attribute of its package, as the import system does."""
        package = self.look(generation, parent)
        if package is not None:
            # A package that several generations share has for each the child of its own.
            setattr(package, child, self.routed[f"{parent}.{child}"] if parent in generation.shared else module)
        elif parent in sys.modules:
            routed = self.routed.get(f"{parent}.{child}")
            setattr(sys.modules[parent], child, module if routed is None else routed)

    def require(self, generation: Generation, name: str) -> Any:
        """Import *name* as code of *generation* would, and return the module itself, user or system."""
        if name in self.routed and entered_generation() is generation:
            return self.load(generation, name)
        with entered(generation):
            if name in self.routed:
                return self.load(generation, name)
            plain_import(name)
            return self.real(generation, sys.modules[name])

    def run_main(self, generation: Generation) -> None:
        """Run the main script. Returns when the script ends, which may be long after it serves."""
        module = ModuleType(MAIN)
        namespace = vars(module)
        namespace.update(self.given_to_script)
        namespace[MARK] = generation
        with self.lock:
            # Complete from the start: another thread must never wait for a script that is parked at its server.
            generation.modules[MAIN] = module
        generation.runs.append(run := Run(MAIN))
        try:
            exec(self._code(generation, MAIN, namespace["__file__"]), namespace)  # noqa: S102 - this is an importer
        finally:
            run.ended = time.monotonic()

    # -- user or system --------------------------------------------------------------------------------------

    def is_candidate(self, spec: Any) -> bool:
        """Tell whether a module that no generation has loaded yet may be a user module."""
        if not isinstance(spec.loader, importlib.machinery.SourceFileLoader) or marking.is_named_by(
            spec.name, ("ponyreload",)
        ):
            return False
        return marking.is_project_file(spec.origin) or self.is_included(spec.name)

    def sort_out(self, generation: Generation) -> None:
        """Make system modules of those that *generation* loaded and that turned out unmarked; see what they hold."""
        self._sort_out(generation)
        tell_of_mixed(generation.number, self.routed)

    def _sort_out(self, generation: Generation) -> None:
        with self.lock:
            for name in generation.unmarked:
                module = generation.modules.pop(name)
                # The first copy is the system's.
                standing = sys.modules.get(name)
                if standing is None or type(standing) is RoutedModule:
                    standing = module
                self._kept_as_system.setdefault(name, standing)
                namespace = namespace_of(name, module)
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
        with self.lock:
            needed: set[str] = set()
            for generation in self._living():
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

    def leave(self, generation: Generation) -> None:
        """Put the real modules of *generation* into `sys.modules`: the routing ends."""
        with self.lock:
            for name, routed in self.routed.items():
                if sys.modules.get(name) is routed:
                    module = self.look(generation, name)
                    if module is None:
                        del sys.modules[name]
                    else:
                        sys.modules[name] = module


plain_import = builtins.__import__
plain_reload = importlib.reload
