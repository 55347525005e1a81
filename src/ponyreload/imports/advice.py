"""Advice: which libraries to isolate, which modules to mark."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

from ponyreload.imports.isolation import is_isolated, isolated
from ponyreload.imports.names import MAIN, file_of, has_source, is_extension, namespace_of, unrouted_modules
from ponyreload.imports.routed import RoutedModule, name_of
from ponyreload.interpreter.private import INITIALIZING, MAY_BE_INITIALIZING
from ponyreload.options import marking
from ponyreload.options.libraries import KNOWN
from ponyreload.reporting import say, shown

__all__ = ["find_unreadable", "homes_of", "tell_of_known", "tell_of_mixed", "too_late"]

# What has been reported:  ("known", "django")
_reported: set[tuple[str, str]] = set()
# Names of system modules that have been checked.
_checked: set[str] = set()


def too_late(names: Collection[str]) -> set[str]:
    """Return those of *names* that only a restart can isolate, and report them: generations share what is imported.

    To be called in a later generation than the first, which adopts what has been imported.
    """
    imported = [name for name, _, _ in unrouted_modules()]
    found = set()
    for name in names:
        if name not in isolated() and any(marking.is_named_by(each, (name,)) for each in imported):
            found.add(name)
            why = f"{name} was imported as a system module"
            _tell("late", name, f"{_line(name)} needs a restart: {why}")
    return found


def tell_of_known(modules: Mapping[str, Any], is_included: Callable[[str], bool]) -> None:
    """Report each library that these user modules use and that is known to need isolation, once: how to isolate it."""
    for library, known in KNOWN.items():
        standing = sys.modules.get(library)
        if standing is None or ("known", library) in _reported or is_included(library):
            continue
        for name, module in modules.items():
            namespace = namespace_of(name, module)
            if not is_isolated(name) and any(_is_of(home, library) for _, home in homes_of(namespace)):
                if known.is_used(namespace_of(library, standing)):
                    file = file_of(namespace)
                    what = f"{shown(file) if file else name} uses {library}, which {known.trouble}"
                    remedy = f"load it with each generation: {_line(library)}, and restart"
                    _tell("known", library, f"{what}; {remedy}")
                break


def tell_of_mixed(generation: int, user_modules: Collection[str]) -> None:
    """Report each system module that holds objects of an isolated library, once: it keeps those of *generation*."""
    if not isolated():
        return
    user_libraries = {name for name in list(user_modules) if is_isolated(name)}
    for name, _, namespace in unrouted_modules():
        top = name.partition(".")[0]
        # Neither the standard library nor ponyreload uses a library.
        if name in _checked or top in sys.stdlib_module_names or top == "ponyreload":
            continue
        if not getattr(namespace.get("__spec__"), INITIALIZING, MAY_BE_INITIALIZING) and name != MAIN:
            _checked.add(name)
        file = file_of(namespace)
        # A module may have a second name.
        if file is not None and namespace.get("__name__") == name:
            if is_isolated(name) and not is_extension(file) and (file.endswith(".pyc") or not os.path.isfile(file)):
                what = f"{name} has no source file to reload ({file})"
                _tell("unreadable", top, f"{what}: all generations share it; unpack it so that it can be isolated")
            for key, home in homes_of(namespace):
                # A package has its submodules as attributes. That does not mean that it uses them.
                if home in user_libraries and home != f"{name}.{key}":
                    _tell_of_user(name, file, home, generation)
                    break


def _tell_of_user(name: str, file: str, home: str, generation: int) -> None:
    library = next(each for each in isolated() if _is_of(home, each))
    top = _top(name)
    what = f"uses {library}, which each generation loads for itself: it keeps generation {generation}'s"
    if marking.is_project_file(file):
        remedy = "mark it (from ponyreload import *) to load it with each generation too, and restart"
        _tell("mixed", name, f"{shown(file)} is a system module, and {what}; {remedy}")
    elif is_extension(file):
        remedy = f"if that fails after a reload, do not isolate {library}"
        _tell("mixed", name, f"the extension module {name} {what}; {remedy}")
    else:
        remedy = f"have {top} loaded with each generation too: {_line(top)}, and restart"
        _tell("mixed", top, f"{name} is a system module, and {what}; {remedy}")


def _top(name: str) -> str:
    """Return the package that a module is part of; in a namespace package, which many share, the part below that."""
    top, *rest = name.split(".")
    for part in rest:
        if file_of(namespace_of(top, sys.modules.get(top))) is not None:
            break
        top = f"{top}.{part}"
    return top


_vars: Any = vars(type)["__dict__"].__get__


def homes_of(namespace: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each name in a module's namespace, and the module that its value, or the value's class, is from.

    Runs no code of the values: see `namespace_of`.
    """
    for key, value in list(namespace.items()):
        if key.startswith("__"):
            continue
        kind = type(value)
        if kind is RoutedModule:
            yield key, name_of(value)
            continue
        if issubclass(kind, ModuleType):
            home = namespace_of(key, value).get("__name__")
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
    if (what, name) not in _reported:
        _reported.add((what, name))
        say(text, logging.WARNING)


def find_unreadable() -> dict[str, object]:
    """Return the marked modules that cannot be reloaded, and their files: "shop" -> "/site/shop.egg/shop.pyc"."""
    return {
        name: namespace.get("__file__")
        for name, _, namespace in unrouted_modules()
        if marking.own_word(namespace) and not has_source(name, namespace)
    }
