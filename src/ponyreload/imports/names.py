"""Names: what `sys.modules` has under a name, the namespace of a module, and the names in an import statement."""

from __future__ import annotations

import gc
import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.machinery import EXTENSION_SUFFIXES
from types import FunctionType, ModuleType
from typing import Any

from ponyreload.generations.generation import Generation
from ponyreload.imports.routed import RoutedModule
from ponyreload.imports.specs import folder_of
from ponyreload.interpreter.attributes import namespace_of_class, own_namespace
from ponyreload.options import marking

__all__ = [
    "MAIN", "absolute_name", "file_of", "has_all", "has_source", "is_extension", "may_hold_modules", "named_by",
    "namespace_of", "note_missing", "unrouted_modules",
]  # fmt: skip

MAIN = "__main__"
# Packages without user modules, from which every user module imports everything.
OURS = ("ponyreload", "ponyreload.main")


def unrouted_modules() -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Yield the name, the object and the namespace of each entry of `sys.modules` that is not a routed module.

    These are the system modules, and user modules that no generation has adopted yet. Safe to call from any thread:
    it walks through a copy.
    """
    for name, module in list(sys.modules.items()):
        # `multiprocessing` gives the main script a second name, `__mp_main__`, in a process that it has spawned.
        # None stands for a module that must not be imported.
        if type(module) is not RoutedModule and module is not None and name != "__mp_main__":
            yield name, module, namespace_of(name, module)


def namespace_of(name: str, module: Any) -> dict[str, Any]:
    """Return the namespace that the code of module *name* ran in; empty if that is not known.

    A module may have put another object in its place in `sys.modules`: the methods of its class know the namespace, or
    it holds the module, as a library's proxy does.

    Runs no code of *module* or its class: some libraries have modules that import half the world when they are asked
    for an attribute.
    """
    namespace = (not issubclass(type(module), type) and own_namespace(module)) or {}
    if "__builtins__" not in namespace:  # no code ran in it
        for method in list(namespace_of_class(type(module)).values()):
            if type(method) is FunctionType and method.__globals__.get("__name__") == name:
                return method.__globals__
        for held in [] if issubclass(type(module), ModuleType) else [*gc.get_referents(module), *namespace.values()]:
            own = own_namespace(held) if type(held) is ModuleType else None
            if own is not None and own.get("__name__") == name and "__builtins__" in own:
                return own
    return namespace


def file_of(namespace: Mapping[str, Any]) -> str | None:
    """Return the file of the module with this namespace, or None."""
    file = namespace.get("__file__")
    return file if issubclass(type(file), str) else None


def is_extension(file: str) -> bool:
    """Tell whether *file* is an extension module, which Python cannot load again."""
    return file.endswith(tuple(EXTENSION_SUFFIXES))


def has_source(name: str, namespace: Mapping[str, Any]) -> bool:
    """Tell whether a module can be run again. One in a zip archive cannot, nor one that is there as bytecode only."""
    file = file_of(namespace)
    if file is None or not os.path.isfile(file):
        return False
    # Some libraries make modules by hand. These have the file of their maker, but cannot be found by their names.
    return name == MAIN or (file.endswith((".py", ".pyw")) and namespace.get("__spec__") is not None)


def note_missing(generation: Generation, name: str, path: Iterable[str] | None) -> None:
    """Note where the project could have had a module that was not found: creating it there is a change."""
    for folder in sys.path if path is None else path:
        base = os.path.join(folder_of(folder), name.rpartition(".")[2])
        if marking.is_project_file(base + ".py"):
            generation.missing.add(base)


def absolute_name(name: str, globals: Mapping[str, Any], level: int) -> str:
    """Return the full name of a module that is imported relative to the package of the importing code."""
    package = globals.get("__package__")
    if package is None:
        package = globals["__name__"]
        if "__path__" not in globals:
            package = package.rpartition(".")[0]
    if not package and level > 0:
        raise ImportError("attempted relative import with no known parent package")
    above = package.rsplit(".", level - 1)
    if len(above) == level:
        return f"{above[0]}.{name}" if name else above[0]
    return importlib.util.resolve_name("." * level + name, package)  # it raises the right error


def named_by(name: str, fromlist: Sequence[str] | None = ()) -> list[str]:
    """Return the modules that an import statement names, and those that it may name."""
    if fromlist:
        return [name, *(f"{name}.{attribute}" for attribute in fromlist)]
    named = [name]
    while "." in name:
        name = name.rpartition(".")[0]  # ``import shop.cart`` gives the package
        named.append(name)
    return named


def has_all(module: Any, fromlist: Iterable[str]) -> bool:
    """Tell whether a module has all the names that are imported from it, so that nothing has to be loaded."""
    # Runs on each `from … import …`: a loop takes half the time of `all`.
    namespace = getattr(module, "__dict__", ())
    for name in fromlist:  # noqa: SIM110
        if name not in namespace:
            return False
    return True


def may_hold_modules(name: str, module: Any) -> bool:
    """Tell whether a system module is a package, which may have user modules in it."""
    return name not in OURS and "__path__" in (own_namespace(module) or {})
