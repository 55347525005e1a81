"""Frames: what a thread is running, and what called that."""

from __future__ import annotations

import gc
import operator
import os
import sys
import threading
from collections.abc import Iterator
from functools import partial
from itertools import compress
from types import FrameType, FunctionType
from typing import Any, TypeVar

from ponyreload.interpreter import private

__all__ = ["callers", "hide_own_frames", "outward", "part_of_import", "thread_frames"]

Class = TypeVar("Class", bound=type)
OURS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")
# The frames of the import system, which Python itself takes out of most tracebacks.
IMPORT_SYSTEM = ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>")
# What an import raises although nothing of the user's ran.
OF_IMPORTS = (ImportError, SyntaxError)

# On these Pythons, a collection that begins while the frames are listed, and lets another thread run, can leave all
# threads waiting for each other (https://github.com/python/cpython/issues/106883). Python 3.10 makes no objects there
# that the collector counts. Python 3.11.9 turns the collector off there itself. From 3.12 on, a collection begins
# between two instructions of Python code, and so never there.
CAN_DEADLOCK = (3, 11) <= sys.version_info[:3] < (3, 11, 9)


def outward(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield *frame*, the frame that called it, and so on."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def callers() -> Iterator[FrameType]:
    """Yield the frames that called the function that asks, innermost first."""
    return outward(sys._getframe(2))


def thread_frames() -> dict[int, FrameType]:
    """Return the innermost frame of each thread:  {140187: <frame>}

    Without a GIL, Python 3.13 does not let another thread's frames be read safely. Then only the calling thread's is
    returned. Later versions lock what is read here, but not the variables; see `holders.objects.locals_of`.
    """
    if not private.has_gil() and sys.version_info < (3, 14):
        return {threading.get_ident(): sys._getframe()}
    return _frames_without_collection() if CAN_DEADLOCK else private.current_frames()


def _frames_without_collection() -> dict[int, FrameType]:
    """Return the same with the collector off, and turn it on again only if it was on.

    No lock is needed. C code makes all the calls, so no other thread comes between them, and none can turn the
    collector off unseen. Only an audit hook for `sys._current_frames`, which runs Python code, lets one in.
    """
    was_on: list[bool] = []
    call: Any = operator.call  # new in Python 3.11
    notes_it = partial(was_on.extend, map(call, (gc.isenabled,)))
    turns_it_on: partial[Any] = partial(list, map(call, compress((gc.enable,), was_on)))
    try:
        # Not in a variable: the frame of this function is among them, and that would be a cycle.
        return list(map(call, (notes_it, gc.disable, private.current_frames, turns_it_on)))[2]  # type: ignore[no-any-return]
    except BaseException:  # from an audit hook
        turns_it_on()
        raise


def part_of_import(kind: Class) -> Class:
    """Have `warnings` pass over the methods of a class, as it passes over the import system.

    So ``warnings.warn(..., stacklevel=2)`` at a module's top names the line that imports the module. `warnings` goes by
    two words in the file name of a code object. The price is that a traceback shows no source of these methods.
    """
    for function in vars(kind).values():
        if type(function) is FunctionType:
            code = function.__code__
            function.__code__ = code.replace(co_filename=f"{code.co_filename} (as importlib._bootstrap)")
    return kind


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
