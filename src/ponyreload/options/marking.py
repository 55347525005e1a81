"""Marking: which modules are user modules, and why. Pure: it looks and decides, it changes nothing."""

from __future__ import annotations

import functools
import os
import site
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ["CONSTANT", "is_named_by", "is_project_file", "is_user", "library_folders", "own_word", "star_mark"]

CONSTANT = "USE_AUTORELOAD"
OURSELVES = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def own_word(namespace: Mapping[str, Any]) -> bool | None:
    """Return what a module's namespace says of itself: True, False, or None if it says nothing."""
    value = namespace.get(CONSTANT)
    return None if value is None else bool(value)


def is_named_by(name: str, names: Iterable[str]) -> bool:
    """Tell whether *name*, or a package that it lies in, is among *names*."""
    return any(name == each or name.startswith(each + ".") for each in names)


def is_user(name: str, namespace: Mapping[str, Any], is_included: Callable[..., bool]) -> bool:
    """Tell whether a module that has run is a user module.

    The constant decides. A module that says nothing is one if it is included: it asked for autoreload itself, or
    an option names it, or the folder that its file is in.
    """
    if is_named_by(name, ("ponyreload",)):
        return False
    word = own_word(namespace)
    return is_included(name, namespace.get("__file__")) if word is None else word


def star_mark(module: str) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a module whose star import marks the importing module.

    One that said `USE_AUTORELOAD = False` above the import means it, and is given its own word.
    """

    def __getattr__(name: str) -> Any:  # noqa: N807 - it becomes a module's
        if name == CONSTANT:
            return sys._getframe(1).f_globals.get(CONSTANT, True)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return __getattr__


@functools.cache
def library_folders() -> tuple[str, ...]:
    """Return the folders that hold the standard library and installed packages, each with a separator at its end."""
    # Not from sysconfig, which would import a large module of build settings to tell the same.
    found = [os.path.dirname(os.__file__)]
    found += site.getsitepackages() if hasattr(site, "getsitepackages") else []
    found += [site.getusersitepackages()] if hasattr(site, "getusersitepackages") else []
    # /usr/lib/python3 holds Debian's dist-packages, which a virtual environment does not name.
    found += ["/usr/lib/python3"] if os.name == "posix" else []
    folders = {os.path.join(os.path.abspath(path), "") for path in found}
    return tuple(sorted(folders | {os.path.join(os.path.realpath(path), "") for path in found}))


def is_project_file(file: str | None) -> bool:
    """Tell whether *file* is source that the user may be writing: outside the library folders, and not ours."""
    if file is None or not file.endswith((".py", ".pyw")) or "site-packages" in file:
        return False
    return not file.startswith((*library_folders(), os.path.join(OURSELVES, "")))
