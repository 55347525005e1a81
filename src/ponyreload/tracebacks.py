"""Tracebacks: our frames stay out of those that the user sees, and out of the way of warnings."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import FunctionType
from typing import TypeVar

__all__ = ["hide_own_frames", "part_of_import"]

Thing = TypeVar("Thing", bound=Callable[..., object])
OURS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")
# The frames of the import system, which Python itself takes out of most tracebacks.
IMPORT_SYSTEM = ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>")
# What an import raises although nothing of the user's ran.
OF_IMPORTS = (ImportError, SyntaxError)


def part_of_import(thing: Thing) -> Thing:
    """Have `warnings` pass over a function, or the methods of a class, as it passes over the import system.

    So ``warnings.warn(..., stacklevel=2)`` at a module's top names the line that imports the module. `warnings` goes by
    two words in the file name of a code object. The price is that a traceback shows no source of these methods.
    """
    for function in (thing, *vars(thing).values()):
        if type(function) is FunctionType:
            code = function.__code__
            function.__code__ = code.replace(co_filename=f"{code.co_filename} (as importlib._bootstrap)")
    return thing


def hide_own_frames(error: BaseException, expected: tuple[type[BaseException], ...] = OF_IMPORTS) -> None:
    """Take our frames, down to the code that we have run, out of the traceback of *error*.

    Called in an ``except`` clause that ends with a bare ``raise``, which adds no frame. On Python 3.10 that takes the
    traceback with which the clause began, so the frame of the caller stays.

    Args:
        error: What was raised.
        expected: What is raised to tell the user something, and not by a mistake of ours. If all frames are ours, the
            traceback of another error is left as it is.
    """
    head = entry = rest = error.__traceback__
    while entry is not None:
        file = entry.tb_frame.f_code.co_filename
        if file.startswith(OURS):
            rest = entry.tb_next
        elif file not in IMPORT_SYSTEM:
            break
        entry = entry.tb_next
    if rest is not None or isinstance(error, expected):
        if sys.version_info >= (3, 11):
            error.__traceback__ = rest
        elif head is not None and head is not rest:
            head.tb_next = rest
