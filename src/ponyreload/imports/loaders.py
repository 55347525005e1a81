"""Loaders: how a module is loaded that the import system meets for the first time."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from ponyreload.generations.context import active
from ponyreload.imports.modules import Modules
from ponyreload.imports.routed import RoutedModule, become_routed, name_of
from ponyreload.interpreter.attributes import namespace_of_module, own_namespace
from ponyreload.interpreter.private import is_lazy
from ponyreload.tracebacks import part_of_import

__all__ = ["AfterImport", "CandidateLoader", "lazy_execution", "plain_lazy_execution"]


@part_of_import
class CandidateLoader:
    """Has the import system make a routed module, and runs the code of the real one in the active generation.

    Args:
        modules: The user modules.
        spec: What a finder has found; the real module gets it.
    """

    def __init__(self, modules: Modules, spec: ModuleSpec) -> None:
        self._modules = modules
        self._spec = spec

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._spec.loader, attribute)  # get_source, get_data, is_package …

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return RoutedModule(spec.name, self._modules)

    def exec_module(self, routed: Any) -> None:
        generation, table, name = active(), self._modules.table, name_of(routed)
        assert generation is not None
        table.route(name, routed)
        try:
            self._modules.load(generation, name, self._spec)
        except BaseException:
            table.tidy(failed=name)
            raise


@part_of_import
class AfterImport:
    """What to call once system modules have been imported.

    Threads: the table is only asked and popped, each in one step.
    """

    def __init__(self) -> None:
        # "cherrypy" -> <function>
        self._calls: dict[str, Callable[[], object]] = {}

    def call(self, name: str, function: Callable[[], object]) -> None:
        """Call *function* when the code of module *name* has run: now, if that has been."""
        module = sys.modules.get(name)
        if module is None:
            self._calls[name] = function
        elif is_lazy(module):
            spec = namespace_of_module(module)["__spec__"]
            spec.loader = NotifyingLoader(spec.loader, function)
        else:
            function()

    def notice(self, spec: ModuleSpec) -> None:
        """Have the function called when the module that a finder has found has run."""
        # Removed at the import, not here: code that asks for a spec may only want to know whether there is one.
        if spec.name in self._calls:
            spec.loader = NotifyingLoader(spec.loader, lambda: self._calls.pop(spec.name, lambda: None)())  # type: ignore[assignment]


class NotifyingLoader:
    """Loads a system module as its own loader does, then calls a function."""

    def __init__(self, loader: Any, call: Callable[[], object]) -> None:
        self._loader = loader
        self._call = call

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._loader, attribute)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        self._call()


def lazy_execution(modules: Modules) -> Callable[[Any, Any], None]:
    """Return what replaces `LazyLoader.exec_module`: a user module is lazy in each generation without that."""

    def exec_module(loader: Any, module: Any) -> None:
        table, generation = modules.table, active()
        name = str(getattr((own_namespace(module) or {}).get("__spec__"), "name", ""))
        if generation is None or not (type(loader.loader) is CandidateLoader or name in table.routed):
            plain_lazy_execution(loader, module)
            return
        with table.lock:
            if type(module) is not RoutedModule:
                become_routed(module, name, modules)
            elif name not in table.routed:
                table.route(name, module)
            table.put_off.add(name)
            if sys.modules.get(name) is module:
                sys.modules[name] = table.routed[name]

    return exec_module


plain_lazy_execution: Any = importlib.util.LazyLoader.exec_module
