"""Marking: which modules are user modules, and why. Nothing here changes anything, except for `star_mark`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from ponyreload.project import is_project_file, library_folders

__all__ = ["CONSTANT", "is_named_by", "is_project_file", "is_user", "library_folders", "own_word", "star_mark"]

CONSTANT = "USE_AUTORELOAD"


def own_word(namespace: Mapping[str, Any]) -> bool | None:
    """Return the module's `USE_AUTORELOAD` as a bool; None if it is not set."""
    value = namespace.get(CONSTANT)
    return None if value is None else bool(value)


def is_named_by(name: str, names: Iterable[str]) -> bool:
    """Tell whether *name*, or a package that contains it, is among *names*."""
    return any(name == each or name.startswith(each + ".") for each in names)


def is_user(name: str, namespace: Mapping[str, Any], is_included: Callable[..., bool]) -> bool:
    """Tell whether a module that has run is a user module.

    The constant decides. Without it, a module is one if it is included: it turned autoreload on itself, or an option
    names it, or the folder of its file.
    """
    if is_named_by(name, ("ponyreload",)):
        return False
    word = own_word(namespace)
    return is_included(name, namespace.get("__file__")) if word is None else word


def star_mark(module: str, homes: Mapping[str, Iterable[str]] = MappingProxyType({})) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a public module, whose star import marks the importing module.

    An importing module that sets `USE_AUTORELOAD = False` above the import keeps its own value.

    Args:
        module: Name of the public module.
        homes: Where its names come from, each imported when it is first used:
            {"ponyreload.lifecycle.keeping": ("keep",)}
    """

    def __getattr__(name: str) -> Any:  # noqa: N807 - it becomes a module's
        if name == CONSTANT:
            return sys._getframe(1).f_globals.get(CONSTANT, True)
        for home, names in homes.items():
            if name in names:
                value = vars(sys.modules[module])[name] = getattr(importlib.import_module(home), name)
                return value
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return __getattr__
