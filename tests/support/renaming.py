"""Renaming: the standard library without one of its private names, as a later Python may be.

The library itself goes on: its functions use another name for the same thing.
"""

from __future__ import annotations

import gc
import importlib
import sys
from types import CodeType, FunctionType
from typing import Any

__all__ = ["rename"]


def rename(path: str) -> None:
    """Take away the name at *path*.

    Args:
        path: An object, "weakref:finalize._registry"; what only instances have, "threading:Thread._target"; or a
            module, "_signal", which the modules that have imported it keep.
    """
    name, _, names = path.partition(":")
    if not names:
        importlib.import_module(name.lstrip("_"))
        sys.modules[name] = None  # type: ignore[assignment]
        return
    owner: Any = importlib.import_module(name)
    *owners, old = names.split(".")
    for each in owners:
        owner = getattr(owner, each)
    new = f"{old}_under_another_name"
    for thing in gc.get_objects():
        if type(thing) is FunctionType:
            user = str(thing.__globals__.get("__name__"))
            if user.partition(".")[0] == name.partition(".")[0].lstrip("_"):
                thing.__code__ = _renamed(thing.__code__, old, new)
        elif (thing is owner or type(thing) is owner) and old in vars(thing):
            setattr(thing, new, vars(thing)[old])
            delattr(thing, old)


def _renamed(code: CodeType, old: str, new: str) -> CodeType:
    """Return the code with another name for an attribute or a global variable; also in the functions within it."""
    constants = (_renamed(each, old, new) if isinstance(each, CodeType) else each for each in code.co_consts)
    names = (new if each == old else each for each in code.co_names)
    return code.replace(co_names=tuple(names), co_consts=tuple(constants))
