"""Reasons: why a module is a user module, or is none, in words."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from importlib.machinery import EXTENSION_SUFFIXES
from types import ModuleType
from typing import Any, NamedTuple

from ponyreload.generations.generation import Generation
from ponyreload.imports.isolation import is_isolated, is_library
from ponyreload.imports.names import has_source
from ponyreload.imports.routed import RoutedModule
from ponyreload.options import marking
from ponyreload.options.options import Options

__all__ = ["Reason", "system_modules", "user_modules", "why_system", "why_user"]


class Reason(NamedTuple):
    """Why a module is what it is:  Reason("shop.cart", "/site/shop/cart.py", "marked: its USE_AUTORELOAD is true", 1).

    Attributes:
        name: Of the module; of the topmost one, for all that are loaded of an isolated library.
        file: Absolute path of its source, or None.
        why: In words.
        modules: How many this is said of.
    """

    name: str
    file: str | None
    why: str
    modules: int = 1


def user_modules(generation: Generation, options: Options, entries: Collection[str]) -> list[Reason]:
    """Return why each of a generation's modules is a user module, by name; those of isolated libraries together."""
    found: dict[str, Reason] = {}
    for name, module in list(generation.modules.items()):
        namespace = _namespace(module)
        file = generation.files.get(name) or _file(namespace)
        if file is not None and is_library(name, file):
            top = next(each for each in options.isolate if marking.is_named_by(name, (each,)))
            modules = found[top].modules + 1 if top in found else 1
            found[top] = Reason(top, None, f"isolate= names {top}", modules)
        else:
            is_plain = issubclass(type(module), ModuleType)
            why = why_user(name, namespace, options, entries) if is_plain else "another object stands in its place"
            found[name] = Reason(name, file, why)
    return [found[name] for name in sorted(found)]


def why_user(name: str, namespace: Mapping[str, Any], options: Options, entries: Collection[str]) -> str:
    """Return why a module that is a user module is one."""
    if marking.own_word(namespace):
        return f"marked: its {marking.CONSTANT} is true"
    for option, names in (("include", options.included), ("isolate", options.isolate)):
        for each in names:
            if marking.is_named_by(name, (each,)):
                return f"{option}= names {each}"
    if name in entries:
        return "it turned autoreload on"
    return "its folder is the project's"


def system_modules() -> list[Reason]:
    """Return why each of the project's modules that are none is no user module, by name."""
    found = []
    for name, module in list(sys.modules.items()):
        # `__mp_main__` is what multiprocessing calls the main script besides.
        if type(module) is RoutedModule or name == "__mp_main__":
            continue
        namespace = _namespace(module)
        file = _file(namespace)
        is_unreadable = marking.own_word(namespace) is True and not has_source(name, namespace)
        if is_unreadable or marking.is_project_file(file) or _is_own_extension(file):
            found.append(Reason(name, file, _why_of_project(name, namespace, file, is_unreadable)))
    return sorted(found)


def why_system(name: str, namespace: Mapping[str, Any]) -> str:
    """Return why a module that is a system module is one, also if it is none of the project's."""
    for reason in system_modules():
        if reason.name == name:
            return reason.why
    if marking.is_named_by(name, ("ponyreload",)):
        return "it is part of ponyreload"
    if name.partition(".")[0] in sys.stdlib_module_names:
        return "it is part of the standard library"
    file = _file(namespace)
    if file is None or not file.endswith((".py", ".pyw")):
        return "it has no source file that can be read again"
    return "it is an installed package"


def _why_of_project(name: str, namespace: Mapping[str, Any], file: str | None, is_unreadable: bool) -> str:
    word = marking.own_word(namespace)
    if word is False:
        return f"its {marking.CONSTANT} is false"
    if _is_own_extension(file):
        return "it is an extension module: Python cannot load one again"
    if is_unreadable:
        return "it is marked, but has no source file that can be read again"
    if word is None and not is_isolated(name):
        return f"it has no {marking.CONSTANT}, and no option names it"
    return "it is no module of a generation yet: it was imported under another name, or its first run goes on"


def _namespace(module: Any) -> dict[str, Any]:
    """Return a module's namespace. An object that stands in a module's place may run code when it is asked for its."""
    return ModuleType.__getattribute__(module, "__dict__") if issubclass(type(module), ModuleType) else {}


def _file(namespace: Mapping[str, Any]) -> str | None:
    file = namespace.get("__file__")
    return file if isinstance(file, str) else None


def _is_own_extension(file: str | None) -> bool:
    if file is None or not file.endswith(tuple(EXTENSION_SUFFIXES)) or "site-packages" in file:
        return False
    return not file.startswith(marking.library_folders())
