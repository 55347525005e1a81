"""Frames: what a thread is running, and what called that."""

from __future__ import annotations

import gc
import inspect
import operator
import sys
import threading
from collections.abc import Iterator
from functools import partial
from itertools import compress
from types import FrameType
from typing import Any

from ponyreload.interpreter import private

__all__ = ["callers", "locals_of", "outward", "thread_frames"]

# On these Pythons, a collection that begins while the frames are listed, and lets another thread run, can leave all
# threads waiting for each other (https://github.com/python/cpython/issues/106883). Python 3.10 makes no objects there
# that the collector counts. Python 3.11.9 turns the collector off there itself. From 3.12 on, a collection begins
# between two instructions of Python code, and so never there.
CAN_DEADLOCK = (3, 11) <= sys.version_info[:3] < (3, 11, 9)
# What calls one of these may have changed what `f_locals` gives, which is made anew when it is looked at.
MAKES_LOCALS = {"dir", "eval", "exec", "locals", "vars"}


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
    returned. Later versions lock what is read here, but not the variables; see `locals_of`.
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


def locals_of(frame: FrameType) -> dict[str, Any]:
    """Return the variables of a function by their names, or none of them where looking would disturb it.

    Without a GIL, reading them while another thread runs the function may crash Python. So they are read only if the
    calling thread runs it: any other function, a suspended generator too, may be resumed by another thread meanwhile.
    """
    if not private.has_gil() and all(each is not frame for each in callers()):
        return {}
    code = frame.f_code
    if not code.co_flags & inspect.CO_OPTIMIZED:  # a module or a class: its true namespace
        own = frame.f_locals
        return own.copy() if type(own) is dict and own is not frame.f_globals else {}
    if sys.version_info >= (3, 13):
        return dict(frame.f_locals.items())
    # With a trace function, this may be the dict that a debugger is just working on.
    if frame.f_trace is not None or not MAKES_LOCALS.isdisjoint(code.co_names):
        return {}
    # The frame keeps this dict, and it what the variables were, for as long as the function runs.
    kept = frame.f_locals
    variables = kept.copy()
    kept.clear()
    return variables
