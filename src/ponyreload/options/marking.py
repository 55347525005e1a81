"""Marking: which modules are user modules, and why. Nothing here changes anything, except for `star_mark`."""

from __future__ import annotations

import functools
import importlib
import os
import site
import sys
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

__all__ = ["CONSTANT", "is_named_by", "is_project_file", "is_user", "library_folders", "own_word", "star_mark"]

CONSTANT = "USE_AUTORELOAD"
OURSELVES = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


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


@functools.cache
def library_folders() -> tuple[str, ...]:
    """Return the folders that hold the standard library and installed packages, each with a separator at its end."""
    # Not from sysconfig: it would import a large module of build settings for the same answer.
    found = [os.path.dirname(os.__file__)]
    found += site.getsitepackages() if hasattr(site, "getsitepackages") else []
    found += [site.getusersitepackages()] if hasattr(site, "getusersitepackages") else []
    # /usr/lib/python3 holds Debian's dist-packages, which a virtual environment does not name.
    found += ["/usr/lib/python3"] if os.name == "posix" else []
    folders = {os.path.join(os.path.abspath(path), "") for path in found}
    return tuple(sorted(folders | {os.path.join(os.path.realpath(path), "") for path in found}))


def is_project_file(file: str | None) -> bool:
    """Tell whether *file* is source of the user's project: outside the library folders, and not ours."""
    if file is None or not file.endswith((".py", ".pyw")) or "site-packages" in file:
        return False
    return not file.startswith((*library_folders(), os.path.join(OURSELVES, "")))
