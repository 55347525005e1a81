"""Modules: finds the user modules of a generation, and runs them."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
import time
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from ponyreload import project
from ponyreload.code.sources import Source, Sources
from ponyreload.generations.context import MARK, bind, entered, entered_generation
from ponyreload.generations.generation import Generation, Run
from ponyreload.imports import byhand
from ponyreload.imports.advice import tell_of_known, tell_of_mixed
from ponyreload.imports.isolation import is_library, library_code
from ponyreload.imports.names import MAIN, named_by, note_missing
from ponyreload.imports.routed import RoutedModule, name_of
from ponyreload.imports.sharing import give_children
from ponyreload.imports.specs import Specs
from ponyreload.imports.table import Table
from ponyreload.interpreter.private import INITIALIZING, DeadlockError, module_lock
from ponyreload.interpreter.turns import give_turn
from ponyreload.options import marking
from ponyreload.tracebacks import part_of_import

__all__ = ["Modules", "plain_import", "plain_reload"]


@part_of_import
class Modules:
    """Finds the user modules of a generation, and runs them.

    Threads: any thread may load a module. A module is run under its own lock, one per generation and name. It is of the
    class that the import system uses for itself, which sees a deadlock between the two and resolves it. The lock of
    `table` is never held while code runs.

    Args:
        sources: The source code.
        is_included: Tells whether a module counts as marked, by its name, and by its file if that is given.
        living: Returns the generations that have not been retired.
        run_late: Called with a generation that has been published, and the name of a module that is about to run in it.

    Attributes:
        table: Which modules there are.
        given_to_script: What the namespace of the main script has that its code does not make itself. It is noted when
            the script is adopted: the interpreter removes some of it at the end of the script's first run.
        unlisted: The namespaces of scripts that are not in `sys.modules`.
        state_of_process: Returns what code may change in the process that nobody is told of. A module whose run changes
            it has registered something.
    """

    def __init__(
        self,
        sources: Sources,
        is_included: Callable[..., bool],
        living: Callable[[], Iterable[Generation]],
        run_late: Callable[[Generation, str], object],
    ) -> None:
        self._sources = sources
        self._specs = Specs()
        self.is_included = is_included
        self._run_late = run_late
        self.table = Table(living, self)
        self.loaded = self.table.loaded
        self.given_to_script: dict[str, Any] = {}
        self.unlisted: list[dict[str, Any]] = []
        self.state_of_process: Callable[[], object] = lambda: None

    # -- asking for a module -----------------------------------------------------------------------------------------

    def load(self, generation: Generation, name: str, found: Any = None) -> Any:
        """Return the generation's module *name*; run its code first if that has not been done.

        Waits for another thread that is running it.

        Args:
            generation, name: Which module of which generation.
            found: The spec of the module, if a finder has just found it.

        Raises:
            ModuleNotFoundError: There is no such module any more.
            BaseException: What the module's code raises.
        """
        module = self.loaded(generation, name)
        if module is not None:
            return module
        if name == MAIN:
            raise ModuleNotFoundError(f"the main script is no part of {generation}", name=MAIN)
        generation.check()
        # The import system's own lock class, so that two threads in a circular import, one of ours and one of its own,
        # do not wait for ever.
        with self.table.lock:
            lock: Any = generation.import_locks.setdefault(name, module_lock(name))
        try:
            lock.acquire()
        except DeadlockError:
            # As in a plain circular import between threads: better half a module than none.
            module = generation.modules.get(name, generation.running.get(name))
            if module is None:
                raise ImportError(f"two threads import {name!r} and wait for each other", name=name) from None
            return module
        try:
            module = self.loaded(generation, name)
            if module is None:
                module = self._run_once(generation, name, found)
                # It is complete now, also for threads that wait for the lock or are about to ask for one.
                generation.import_locks.pop(name, None)
            return module
        finally:
            lock.release()

    def real(self, generation: Generation, module: Any) -> Any:
        """Return the generation's own module for a routed one; anything else as it is."""
        return self.load(generation, name_of(module)) if type(module) is RoutedModule else module

    def load_along(self, generation: Generation, name: str) -> Any:
        """Load the user modules among *name* and its packages; return the module itself if it is a user module."""
        module = None if byhand.was_deleted(self.table, generation, name) else self.loaded(generation, name)
        if module is None and (name in self.table.routed or "." in name):
            for each in reversed(named_by(name)):
                if each in self.table.routed:
                    module = self.load(generation, each)
                else:
                    module = None
                    self.table.bind_system(generation, each)
        return module

    def require(self, generation: Generation, name: str) -> Any:
        """Import *name* as code of *generation* would; return the module itself, be it a user or a system module."""
        if name in self.table.routed and entered_generation() is generation:
            return self.load(generation, name)
        with entered(generation):
            module = self.load_along(generation, name)
            if module is not None:
                return module
            plain_import(name)
            return self.real(generation, sys.modules[name])

    # -- running a module --------------------------------------------------------------------------------------------

    def _run_once(self, generation: Generation, name: str, found: Any) -> Any:
        module = self.table.begin(generation, name)
        if module is not None:
            return module
        try:
            module = self._run(generation, name, found)
        except BaseException:
            self.table.give_up(generation, name)
            raise
        self.table.end(generation, name)
        return self.table.result(generation, name, module)

    def _run(self, generation: Generation, name: str, found: Any) -> Any:
        """Find module *name* and run its code in *generation*. The caller holds its import lock."""
        parent = name.rpartition(".")[0]
        path = None
        if parent:
            package = self.require(generation, parent)
            there = self.loaded(generation, name)
            if there is not None:
                return there  # running the parent has imported it
            try:
                path = package.__path__
            except AttributeError:
                if (standing := byhand.inherit(self.table, generation, name)) is not None:
                    return standing
                message = f"No module named {name!r}; {parent!r} is not a package"
                raise ModuleNotFoundError(message, name=name) from None
        with entered(generation):
            spec = self._specs.search(name, path) if found is None else found
            if spec is None:
                if (standing := byhand.inherit(self.table, generation, name)) is not None:
                    return standing
                note_missing(generation, name, path)
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            module = importlib.util.module_from_spec(spec)
            if generation.shared and spec.submodule_search_locations is not None:
                give_children(generation, name, module, self.table.routed)
            text = self._text_of(generation, name, spec)
            before = sys.modules.copy() if b"modules" in text else None
            self.table.show(generation, name, module)
            try:
                self._execute(generation, name, module, spec)
            except BaseException:
                # It may have put another object in its own place before it failed.
                self.table.hide(name, module)
                byhand.claim(self.table, generation, before, text)
                raise
        complete = self.table.add(generation, name, module)
        byhand.claim(self.table, generation, before, text)
        if not marking.is_user(name, vars(module), self.is_included) and not self._is_emptied(generation, name):
            generation.unmarked.add(name)
        tell_of_known({name: module}, self.is_included)
        if parent:
            self.table.bind(generation, name, complete)
        if not generation.published:
            generation.turn_at = give_turn(generation.turn_at)
        return complete

    def _is_emptied(self, generation: Generation, name: str) -> bool:
        """Tell whether a user module is empty now. It remains one: some editors empty a file before they write it."""
        source = generation.sources.get(generation.files.get(name, ""))
        is_empty = source is not None and not source.data.strip()
        others = (each for each in self.table.living() if each is not generation)
        return is_empty and any(each.published and name in each.modules for each in others)

    def run_again(self, generation: Generation, name: str) -> None:
        """Run the code of the generation's module *name* once more in its namespace, as `importlib.reload` does."""
        module = self.load(generation, name)
        try:
            with entered(generation):
                self._execute(generation, name, module, module.__spec__)
        finally:
            generation.running.pop(name, None)

    def run_main(self, generation: Generation) -> None:
        """Run the main script. Returns when the script ends, which may be long after it starts to serve."""
        module = ModuleType(MAIN)
        namespace = vars(module)
        namespace.update(self.given_to_script)
        namespace[MARK] = generation
        with self.table.lock:
            # It counts as complete from the start: no thread must ever wait for a script that is parked at its server.
            generation.modules[MAIN] = module
        generation.runs.append(run := Run(MAIN))
        try:
            exec(self._code(generation, MAIN, namespace["__file__"]), namespace)  # noqa: S102 - this is an importer
        finally:
            run.ended = time.monotonic()

    def _execute(self, generation: Generation, name: str, module: ModuleType, spec: Any) -> None:
        namespace = vars(module)
        namespace[MARK] = generation
        generation.running[name] = module
        # The interpreter words its error for a circular import by this flag.
        setattr(spec, INITIALIZING, True)
        generation.runs.append(run := Run(name))
        if generation.published:
            self._run_late(generation, name)
        before = None if generation.imports is None else self.state_of_process()
        try:
            if spec.origin is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
                exec(self._code(generation, name, spec.origin, spec.loader), namespace)  # noqa: S102 - this is an importer
            elif spec.loader is not None:
                spec.loader.exec_module(module)
        finally:
            run.ended = time.monotonic()
            setattr(spec, INITIALIZING, False)
            if before is not None and self.state_of_process() != before:
                bind(namespace)

    def _code(self, generation: Generation, name: str, file: str, loader: Any = None) -> Any:
        """Return the code of a module in the version that *generation* runs; read the file if there is none yet."""
        if is_library(name, file):
            return library_code(name, file, loader)
        return self._source(generation, name, file).code(loader)

    def _source(self, generation: Generation, name: str, file: str) -> Source:
        generation.files[name] = file
        source = generation.sources.get(file)
        if source is None:
            source = generation.sources.setdefault(file, self._sources.read(file))
        return source

    def _text_of(self, generation: Generation, name: str, spec: Any) -> bytes:
        if not isinstance(spec.loader, importlib.machinery.SourceFileLoader) or is_library(name, spec.origin):
            return b""
        if name in generation.read_ahead:
            generation.read_ahead.discard(name)
        elif generation.files.get(name) == spec.origin:
            # It has failed before, or was deleted from `sys.modules`: as in Python, it runs what the file holds now.
            generation.sources[spec.origin] = self._sources.read(spec.origin)
        return self._source(generation, name, spec.origin).data

    def sort_out(self, generation: Generation) -> None:
        """Make system modules of the unmarked ones; report system modules that hold objects of an isolated library."""
        self.table.sort_out(generation)
        byhand.hand_on(self.table, generation)
        tell_of_mixed(generation.number, self.table.routed)


plain_import = project.plain_import()
plain_reload = importlib.reload
