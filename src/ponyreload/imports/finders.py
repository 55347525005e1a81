"""Finders: what finds and loads a module that is imported for the first time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from ponyreload.generations.context import active
from ponyreload.imports.modules import Modules
from ponyreload.imports.names import note_missing
from ponyreload.imports.routed import RoutedModule, name_of

__all__ = ["Finder"]


class Finder:
    """Stands first in `sys.meta_path`; is asked for what `sys.modules` lacks, so for a module's very first import."""

    def __init__(self, modules: Modules, call_after_import: dict[str, Callable[[], object]]) -> None:
        self._modules = modules
        self._call_after_import = call_after_import

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> Any:  # noqa: ARG002
        spec = self._modules.find_spec(name, path)
        generation = active()
        if generation is not None:
            if spec is None:
                note_missing(generation, name, path)
            elif self._modules.is_candidate(spec):
                spec.loader = CandidateLoader(self._modules, spec.loader)
            elif name in self._call_after_import:
                # Not taken out yet: who asks for a spec may only want to know whether the module is there.
                spec.loader = NotifyingLoader(spec.loader, lambda: self._call_after_import.pop(name, lambda: None)())
        return spec


class CandidateLoader:
    """Lets the import system make a routed module, and runs the code in the active generation."""

    def __init__(self, modules: Modules, loader: Any) -> None:
        self._modules = modules
        self._loader = loader

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._loader, attribute)  # get_source, get_data, is_package …

    def create_module(self, spec: Any) -> ModuleType:
        return RoutedModule(spec.name, self._modules)

    def exec_module(self, routed: ModuleType) -> None:
        modules = self._modules
        name = name_of(routed)
        generation = active()
        assert generation is not None
        modules.begin(generation, name, routed)
        try:
            modules.load(generation, name)
        except BaseException:
            modules.give_up(generation, name)
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
