"""Packages: what an import statement gets from one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ponyreload.generations.generation import Generation
from ponyreload.imports.modules import Modules
from ponyreload.imports.names import has_all
from ponyreload.imports.routed import RoutedModule

__all__ = ["PackageView", "has_all_real", "has_routed"]


class PackageView:
    """Given to ``from package import …`` for a package with routed modules in it: it has the generation's own."""

    def __init__(self, package: Any, generation: Generation, modules: Modules) -> None:
        self._package = package
        self._generation = generation
        self._modules = modules

    def __getattr__(self, name: str) -> Any:
        return self._modules.real(self._generation, getattr(self._package, name))


def has_all_real(module: Any, fromlist: Iterable[str]) -> bool:
    """Tell what `has_all` does, where a routed module does not count: it may have nothing to represent yet."""
    return has_all(module, fromlist) and not has_routed(module, fromlist)


def has_routed(module: Any, fromlist: Iterable[str]) -> bool:
    """Tell whether one of the names that are imported from a module is a routed module there."""
    namespace = getattr(module, "__dict__", {})
    return any(type(namespace.get(each)) is RoutedModule for each in fromlist)
