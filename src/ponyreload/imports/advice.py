"""Advice: which libraries to isolate, which modules to mark."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib.machinery import EXTENSION_SUFFIXES
from types import FunctionType, ModuleType
from typing import Any

from ponyreload.imports.isolation import is_isolated, isolated
from ponyreload.imports.names import has_source, namespace_of
from ponyreload.imports.routed import RoutedModule, name_of
from ponyreload.options import marking
from ponyreload.options.libraries import KNOWN
from ponyreload.reporting import say, shown

__all__ = ["find_unreadable", "homes_of", "tell_of_known", "tell_of_mixed", "too_late"]

# What has been said, and the system modules that have been looked at:  ("known", "django")
_told: set[tuple[str, str]] = set()
_looked_at: set[str] = set()


def too_late(names: Collection[str]) -> set[str]:
    """Return those of *names* that can be isolated by a restart only, and say so: generations share what is there.

    To be called in a later generation than the first, which adopts what has been imported.
    """
    found = set()
    for name in names:
        if name not in isolated() and any(
            marking.is_named_by(each, (name,)) and type(module) is not RoutedModule
            for each, module in list(sys.modules.items())
        ):
            found.add(name)
            why = f"{name} has been imported as a system module"
            _tell("late", name, f"{_line(name)} takes a restart of the process: {why}")
    return found


def tell_of_known(modules: Mapping[str, Any], is_included: Callable[[str], bool]) -> None:
    """Say of each library that these user modules use, and that is known to need it, how to isolate it; once."""
    for library, known in KNOWN.items():
        standing = sys.modules.get(library)
        if standing is None or ("known", library) in _told or is_included(library):
            continue
        for name, module in modules.items():
            if not is_isolated(name) and any(_is_of(home, library) for _, home in homes_of(module)):
                if known.is_used(_namespace(standing)):
                    file = _namespace(module).get("__file__")
                    what = f"{shown(file) if file else name} uses {library}, which {known.trouble}"
                    remedy = f"have it loaded with each generation: {_line(library)}, and restart"
                    _tell("known", library, f"{what}; {remedy}")
                break


def tell_of_mixed(generation: int, user_modules: Collection[str]) -> None:
    """Say of each system module that took something of an isolated library that it keeps that *generation*'s; once."""
    if not isolated():
        return
    user_libraries = {name for name in list(user_modules) if is_isolated(name)}
    for name, module in list(sys.modules.items()):
        top = name.partition(".")[0]
        # Neither the standard library nor we use a library.
        if name in _looked_at or top in sys.stdlib_module_names or top == "ponyreload":
            continue
        if type(module) is RoutedModule or not issubclass(type(module), ModuleType):
            continue
        namespace = _namespace(module)
        if not getattr(namespace.get("__spec__"), "_initializing", False) and name != "__main__":
            _looked_at.add(name)
        file = namespace.get("__file__")
        # Some stand under a second name.
        if isinstance(file, str) and namespace.get("__name__") == name:
            if is_isolated(name) and not _is_extension(file) and (file.endswith(".pyc") or not os.path.isfile(file)):
                what = f"{name} has no source file that can be read again ({file})"
                _tell("unreadable", top, f"{what}: it stays shared by all generations; unpack it to have it isolated")
            for key, home in homes_of(module):
                # That a package has its modules as attributes is no use of them.
                if home in user_libraries and home != f"{name}.{key}":
                    _tell_of_user(name, file, home, generation)
                    break


def _tell_of_user(name: str, file: str, home: str, generation: int) -> None:
    library = next(each for each in isolated() if _is_of(home, each))
    top = _top(name)
    what = f"uses {library}, of which each generation has its own: it keeps generation {generation}'s"
    if marking.is_project_file(file):
        remedy = 'mark it with "from ponyreload import *" to have it loaded with each generation too, and restart'
        _tell("mixed", name, f"{shown(file)} is no user module, and {what}; {remedy}")
    elif _is_extension(file):
        remedy = f"if that fails after a reload, do not isolate {library}"
        _tell("mixed", name, f"the extension module {name} {what}; {remedy}")
    else:
        remedy = f"have {top} loaded with each generation too: {_line(top)}, and restart"
        _tell("mixed", top, f"{name} is a system module, and {what}; {remedy}")


def _is_extension(file: str) -> bool:
    return file.endswith(tuple(EXTENSION_SUFFIXES))


def _top(name: str) -> str:
    """Return the package that a module is part of; of a namespace package, which many share, the part below it."""
    top, *rest = name.split(".")
    for part in rest:
        if _namespace(sys.modules.get(top)).get("__file__") is not None:
            break
        top = f"{top}.{part}"
    return top


# Ways past what a class may define for itself: some libraries' objects import half the world when they are asked.
_namespace_of_module: Any = vars(ModuleType)["__dict__"].__get__
_vars: Any = vars(type)["__dict__"].__get__


def _namespace(module: Any) -> Mapping[str, Any]:
    return _namespace_of_module(module) if issubclass(type(module), ModuleType) else {}


def homes_of(module: Any) -> Iterator[tuple[str, str]]:
    """Yield each attribute of a module that comes from elsewhere, with the module that it, or its class, is from."""
    for key, value in list(_namespace(module).items()):
        if key.startswith("__"):
            continue
        kind = type(value)
        if kind is RoutedModule:
            yield key, name_of(value)
            continue
        if issubclass(kind, ModuleType):
            home = _namespace_of_module(value).get("__name__")
        elif kind is FunctionType:
            home = value.__globals__.get("__name__")
        else:
            home = _vars(value if issubclass(kind, type) else kind).get("__module__")
        if isinstance(home, str):
            yield key, home


def _is_of(home: str, library: str) -> bool:
    return marking.is_named_by(home, (library,))


def _line(name: str) -> str:
    names = dict.fromkeys((*isolated(), name))
    listed = ", ".join(f'"{each}"' for each in names)
    return f"use_autoreload(isolate=({listed}{',' if len(names) == 1 else ''}))"


def _tell(what: str, name: str, text: str) -> None:
    if (what, name) not in _told:
        _told.add((what, name))
        say(text, logging.WARNING)


def find_unreadable() -> dict[str, object]:
    """Return the marked modules that cannot be reloaded, and their files: "shop" -> "/site/shop.egg/shop.pyc"."""
    found = {}
    for name, standing in list(sys.modules.items()):
        # `__mp_main__` is what multiprocessing calls the main script besides.
        if type(standing) is not RoutedModule and name != "__mp_main__":
            namespace = namespace_of(name, standing)
            if marking.own_word(namespace) and not has_source(name, namespace):
                found[name] = namespace.get("__file__")
    return found
