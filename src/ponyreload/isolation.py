"""Isolation: libraries that are loaded with each generation, and who goes on with the copy of one generation."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib.machinery import EXTENSION_SUFFIXES
from types import CodeType, FunctionType, ModuleType
from typing import Any

from ponyreload import marking
from ponyreload.libraries import KNOWN
from ponyreload.reporting import say, shown
from ponyreload.routed import RoutedModule, name_of

__all__ = [
    "homes_of",
    "is_isolated",
    "is_library",
    "isolate",
    "library_code",
    "tell_of_known",
    "tell_of_mixed",
    "too_late",
]

# What was named so far; there is one reloader in a process.
_isolated: tuple[str, ...] = ()
_included: tuple[str, ...] = ()
# The code of libraries, which is kept, so that a load need only run it:
#   "/lib/django/apps/registry.py" -> ((mtime in ns, size in bytes, inode), <code>)
_codes: dict[str, tuple[tuple[int, int, int], CodeType]] = {}
# What has been said, and the system modules that have been looked at:  ("known", "django")
_told: set[tuple[str, str]] = set()
_looked_at: set[str] = set()


def isolate(names: tuple[str, ...], included: tuple[str, ...]) -> None:
    """Note which packages and modules are isolated; those among them that are *included* are watched all the same."""
    global _isolated, _included
    _isolated, _included = names, included


def is_isolated(name: str) -> bool:
    """Tell whether module *name* is loaded with each generation because `isolate=` names it."""
    return marking.is_named_by(name, _isolated) and not marking.is_named_by(name, _included)


def is_library(name: str, file: str) -> bool:
    """Tell whether a user module is part of an isolated library: nobody edits it, and its file is not watched."""
    return is_isolated(name) and not marking.is_project_file(file)


def library_code(name: str, file: str, loader: Any) -> CodeType:
    """Return the code of a library's module, which may come from a .pyc file.

    A file that has changed since the last load is read again.

    Raises:
        OSError, SyntaxError, ValueError: As importing it does.
    """
    status = os.stat(file)
    signature = (status.st_mtime_ns, status.st_size, status.st_ino)
    known = _codes.get(file)
    if known is None or known[0] != signature:
        known = _codes[file] = (signature, loader.get_code(name))
    return known[1]


def too_late(names: Collection[str]) -> set[str]:
    """Return those of *names* that can be isolated by a restart only, and say so: generations share what is there.

    To be called in a later generation than the first, which adopts what has been imported.
    """
    found = set()
    for name in names:
        if name not in _isolated and any(
            marking.is_named_by(each, (name,)) and type(module) is not RoutedModule
            for each, module in list(sys.modules.items())
        ):
            found.add(name)
            why = f"{name} has been imported as a system module"
            _tell("late", name, f"{_line(name)} takes a restart of the process: {why}")
    return found


# -- libraries that are not isolated, and should be --------------------------------------------------------------


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


# -- system modules that use what is isolated --------------------------------------------------------------------


def tell_of_mixed(generation: int, user_modules: Collection[str]) -> None:
    """Say of each system module that took something of an isolated library that it keeps that *generation*'s; once."""
    if not _isolated:
        return
    isolated = {name for name in list(user_modules) if is_isolated(name)}
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
                if home in isolated and home != f"{name}.{key}":
                    _tell_of_user(name, file, home, generation)
                    break


def _tell_of_user(name: str, file: str, home: str, generation: int) -> None:
    library = next(each for each in _isolated if _is_of(home, each))
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


# -- looking at modules ------------------------------------------------------------------------------------------

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


# -- saying it ---------------------------------------------------------------------------------------------------


def _line(name: str) -> str:
    names = dict.fromkeys((*_isolated, name))
    listed = ", ".join(f'"{each}"' for each in names)
    return f"use_autoreload(isolate=({listed}{',' if len(names) == 1 else ''}))"


def _tell(what: str, name: str, text: str) -> None:
    if (what, name) not in _told:
        _told.add((what, name))
        say(text, logging.WARNING)
