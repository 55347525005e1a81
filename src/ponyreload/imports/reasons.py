"""Reasons: why a module is a user module or a system module, in words."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from types import ModuleType
from typing import Any, NamedTuple

from ponyreload.generations.generation import Generation
from ponyreload.imports.isolation import is_isolated, is_library
from ponyreload.imports.names import file_of, has_source, is_extension, namespace_of, unrouted_modules
from ponyreload.options import marking
from ponyreload.options.options import Options
from ponyreload.project import is_installed

__all__ = ["Reason", "system_modules", "user_modules", "why_system", "why_user"]


class Reason(NamedTuple):
    """Why a module is what it is.

    Sample row: ``Reason("shop.cart", "/site/shop/cart.py", "marked: its USE_AUTORELOAD is true", 1)``.

    Attributes:
        name: Of the module; of the topmost one, for all modules of an isolated library.
        file: Absolute path of its source, or None.
        why: The reason, in words.
        modules: The number of modules that it applies to.
    """

    name: str
    file: str | None
    why: str
    modules: int = 1


def user_modules(generation: Generation, options: Options, entries: Collection[str]) -> list[Reason]:
    """Return why each module of a generation is a user module, sorted by name. An isolated library is one row."""
    found: dict[str, Reason] = {}
    for name, module in list(generation.modules.items()):
        namespace = namespace_of(name, module)
        file = generation.files.get(name) or file_of(namespace)
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
    """Return why a user module is one."""
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
    """Return why each system module of the project is one, sorted by name."""
    found = []
    for name, _, namespace in unrouted_modules():
        file = file_of(namespace)
        is_unreadable = marking.own_word(namespace) is True and not has_source(name, namespace)
        if is_unreadable or marking.is_project_file(file) or _is_own_extension(file):
            found.append(Reason(name, file, _why_of_project(name, namespace, file, is_unreadable)))
    return sorted(found)


def why_system(name: str, namespace: Mapping[str, Any]) -> str:
    """Return why a system module is one. It need not be the project's."""
    for reason in system_modules():
        if reason.name == name:
            return reason.why
    if marking.is_named_by(name, ("ponyreload",)):
        return "it is part of ponyreload"
    if name.partition(".")[0] in sys.stdlib_module_names:
        return "it is part of the standard library"
    file = file_of(namespace)
    if file is None or not file.endswith((".py", ".pyw")):
        return "it has no source file to reload"
    return "it is an installed package"


def _why_of_project(name: str, namespace: Mapping[str, Any], file: str | None, is_unreadable: bool) -> str:
    word = marking.own_word(namespace)
    if word is False:
        return f"its {marking.CONSTANT} is false"
    if _is_own_extension(file):
        return "it is an extension module: Python cannot load one again"
    if is_unreadable:
        return "it is marked, but has no source file to reload"
    if word is None and not is_isolated(name):
        return f"it has no {marking.CONSTANT}, and no option names it"
    return "it is no module of a generation yet: it was imported under another name, or its first run goes on"


def _is_own_extension(file: str | None) -> bool:
    is_one = file is not None and is_extension(file) and not is_installed(file)
    return is_one and not str(file).startswith(marking.library_folders())
