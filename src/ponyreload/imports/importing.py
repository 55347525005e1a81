"""Importing: the hooks in the import system. The one file that replaces anything in `builtins`.

Two kinds of routing keep a request on one generation:

- *dynamic*: `sys.modules` holds a `RoutedModule` for each user module. It passes each attribute access on to the module
  of the active generation. It serves code that looks a module up by name: pickle, typing, dataclasses, importlib.
- *lexical*: `builtins.__import__` is wrapped. Code whose globals carry the mark of a generation gets that
  generation's *real* modules, at full speed, whatever context it runs in.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import linecache
import sys
from collections.abc import Iterable, Mapping, Sequence
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
from ponyreload.imports.loaders import AfterImport, CandidateLoader, lazy_execution, plain_lazy_execution
from ponyreload.imports.modules import Modules, plain_import, plain_reload
from ponyreload.imports.names import MAIN, absolute_name, file_of, has_all, may_hold_modules, named_by, note_missing
from ponyreload.imports.packages import PackageView, has_all_real, has_routed
from ponyreload.imports.routed import RoutedModule, name_of
from ponyreload.imports.specs import copied, is_candidate
from ponyreload.imports.table import end_routing
from ponyreload.interpreter.attributes import own_namespace
from ponyreload.interpreter.private import FIND_SPEC, IMPORT_BY_NAME, INITIALIZING, MAY_BE_INITIALIZING
from ponyreload.tracebacks import hide_own_frames, part_of_import

__all__ = ["ImportHooks"]


class Tops(dict[str, str]):
    """The first part of each name that code imports: a look-up takes a third of the time of `partition`."""

    def __missing__(self, name: str) -> str:
        top = self[name] = name.partition(".")[0]
        return top


TOPS = Tops()


@part_of_import
class ImportHooks:
    """Replaces functions of the import system while autoreload is on.

    Threads: any thread may call the hooks. What they share is in `Table`, under its lock.

    Attributes:
        after_import: What to call once a system module has been imported.
    """

    def __init__(self, modules: Modules) -> None:
        self._modules = modules
        self._table = modules.table
        self.after_import = AfterImport()
        self._installed = False
        # A finder of our own, instead of FIND_SPEC, would have to ask the others itself. Where none of them finds the
        # module, Python would go on and ask each of them again.
        #   (holder, name, Python's function, our function)
        self._hooks: tuple[tuple[Any, str, object, object], ...] = (
            (builtins, "__import__", plain_import, self._import),
            (*IMPORT_BY_NAME, _plain_import_by_name, self._import_by_name),
            *((*place, _plain_find_spec, self._find_spec) for place in FIND_SPEC),
            (importlib, "reload", plain_reload, self._reload),
            (importlib.util.LazyLoader, "exec_module", plain_lazy_execution, lazy_execution(modules)),
            (linecache, "getlines", _plain_getlines, self._getlines),
        )

    def install(self) -> None:
        """Put the hooks in."""
        self._installed = True
        for holder, name, _, ours in self._hooks:
            setattr(holder, name, ours)

    def uninstall(self, generation: Generation) -> None:
        """Remove the hooks that nobody has wrapped; leave the real modules of *generation* in `sys.modules`."""
        if not self._installed:
            return
        self._installed = False
        for holder, name, plain, ours in self._hooks:
            if getattr(holder, name) == ours:
                setattr(holder, name, plain)
        end_routing(self._table, generation)

    def _find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        """Find a module that `sys.modules` lacks, or one that is reloaded: *target*."""
        spec = _plain_find_spec(name, path, target)
        generation = active()
        if generation is None or not self._installed:
            return spec
        if spec is None:
            note_missing(generation, name, path)
        elif name in sys.modules:
            pass  # it is reloaded, or was imported during the search
        elif is_candidate(spec, self._modules.is_included):
            # The import system goes on with a copy. The real module gets what the finder has made.
            found, spec = spec, copied(spec)
            spec.loader = CandidateLoader(self._modules, found)  # type: ignore[assignment]
        else:
            self.after_import.notice(spec)
        return spec

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        """Replace `builtins.__import__`."""
        try:
            generation: Generation | None = None if globals is None else globals.get(MARK)
            if generation is None or globals is None:
                routed = self._table.routed
                if type(name) is str and not level and (name in routed or ("." in name and TOPS[name] in routed)):
                    # Before 3.12 the interpreter swallows an error in `__spec__`. So a system module that imports a
                    # broken user module would not get the error. And a package of this generation may lack the
                    # attribute.
                    system_sees = active()
                    if system_sees is not None:
                        self._modules.load_along(system_sees, name)
                return plain_import(name, globals, locals, fromlist, level)

            # The usual case is a module that is there: it needs no context and no lock.
            full = name if not level else absolute_name(name, globals, level)
            is_there = has_all
            if generation.imports is not None:
                generation = generation_of(globals) or generation
                note_imports(named_by(full, fromlist), globals)
                is_there = has_all_real  # a package may have routed modules for its children
            modules = generation.modules
            module = modules.get(full)
            if module is not None:
                if full not in sys.modules:
                    pass  # somebody has deleted it there, to have it run again
                elif not fromlist:
                    top = None if level else modules.get(TOPS[name])
                    if top is not None:
                        return top
                elif is_there(module, fromlist):
                    return module
            else:
                standing = self._system_module(full, fromlist)
                if standing is not None:
                    return standing
            if entered_generation() is generation:
                return self._import_for(generation, full, name, globals, locals, fromlist, level)
            with entered(generation):
                return self._import_for(generation, full, name, globals, locals, fromlist, level)
        except BaseException as error:
            hide_own_frames(error)
            raise

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
        """Load what code of *generation* imports; return what its import statement gets."""
        if not isinstance(full, str):
            return plain_import(name, globals, locals, fromlist, level)  # it raises the right error
        package = self._modules.load_along(generation, full)
        if fromlist:
            self._load_children(generation, full, package, fromlist)
            if package is not None and has_all_real(package, fromlist):
                return package
        elif package is not None and "." not in name:
            return package
        module = self._modules.real(generation, plain_import(name, globals, locals, fromlist, level))
        # A package may have routed modules for its children, but user code gets the real ones.
        is_mixed = full in self._table.packages and (package is None or has_routed(package, fromlist or ()))
        needs_view = is_mixed and fromlist and "*" not in fromlist
        return PackageView(module, generation, self._modules) if needs_view else module

    def _system_module(self, name: str, fromlist: Sequence[str] | None) -> Any:
        """Return what the import of a system module gives, if it is loaded and has nothing to do with user modules."""
        routed = self._table.routed
        standing = sys.modules.get(name)
        if standing is None or name in routed or type(standing) is RoutedModule:
            return None
        if getattr(getattr(standing, "__spec__", None), INITIALIZING, MAY_BE_INITIALIZING):
            return None  # the import system waits for one that another thread is running
        if not fromlist:
            if "." not in name:
                return standing
            top = name.partition(".")[0]
            return None if top in routed else sys.modules.get(top)
        # Only from a package may a name have to be imported, and that may be a user module.
        is_plain = name not in self._table.packages and (
            has_all(standing, fromlist) or not may_hold_modules(name, standing)
        )
        return standing if is_plain else None

    def _import_by_name(self, name: str, package: str | None = None, level: int = 0) -> Any:
        """Replace what `importlib.import_module` calls."""
        try:
            frame = sys._getframe(1)
            if frame.f_globals.get("__name__") == "importlib" and frame.f_back is not None:
                frame = frame.f_back
            lexical = generation_of(frame.f_globals)
            generation = lexical or active()
            full = importlib.util.resolve_name("." * level + name, package)
            if generation is None:
                return _plain_import_by_name(full)
            with entered(generation):
                if generation.imports is not None:
                    note_imports(named_by(full), calling_names())
                self._modules.load_along(generation, full)
                module = _plain_import_by_name(full)
                return module if lexical is None else self._modules.real(generation, module)
        except BaseException as error:
            hide_own_frames(error)
            raise

    def _load_children(self, generation: Generation, name: str, package: Any, fromlist: Iterable[str]) -> None:
        """Load the submodules that ``from name import …`` asks for."""
        holder = sys.modules.get(name) if package is None else package
        namespace = own_namespace(holder) or {}
        if "*" in fromlist:
            fromlist = [each for each in namespace.get("__all__", ()) if isinstance(each, str)]
        for attribute in fromlist:
            child = f"{name}.{attribute}"
            routed = self._table.routed.get(child)  # once: when an older generation retires, it may go
            if routed is None:
                self._table.bind_system(generation, child)
            elif attribute not in namespace and "__getattr__" in namespace and hasattr(holder, attribute):
                pass  # as in Python, the package's own attribute comes first
            elif type(namespace.get(attribute, routed)) is RoutedModule:
                try:
                    self._modules.load(generation, child)
                except ModuleNotFoundError as error:
                    if error.name != child:
                        raise
                    # In the words of the interpreter, which would find the routed module and raise nothing.
                    file = file_of(namespace)
                    message = f"cannot import name {attribute!r} from {name!r} ({file or 'unknown location'})"
                    raise ImportError(message, name=name, path=file) from None

    def _reload(self, module: ModuleType) -> ModuleType:
        """Replace `importlib.reload`: a user module runs again in its own generation."""
        is_routed = type(module) is RoutedModule
        namespace = own_namespace(module) or {}
        generation = active() if is_routed else namespace.get(MARK)
        name = name_of(module) if is_routed else namespace.get("__name__")
        try:
            if generation is None or name not in self._table.routed or name == MAIN or not self._installed:
                return plain_reload(module)
            self._modules.run_again(generation, name)
        except BaseException as error:
            hide_own_frames(error)
            raise
        return module

    def _getlines(self, filename: str, module_globals: dict[str, Any] | None = None) -> list[str]:
        """Replace `linecache.getlines`: the tracebacks of a generation show the lines that it ran."""
        generation = (module_globals or {}).get(MARK) or active()
        source = None if generation is None else generation.sources.get(filename)
        return _plain_getlines(filename, module_globals) if source is None else source.lines()


_plain_import_by_name = getattr(*IMPORT_BY_NAME)
_plain_find_spec: Any = getattr(*FIND_SPEC[0]) if FIND_SPEC else None
_plain_getlines = linecache.getlines
