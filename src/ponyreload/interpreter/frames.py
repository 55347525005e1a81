"""Frames of threads: what each thread is running now."""

from __future__ import annotations

import gc
import sys
import threading
from types import FrameType

from ponyreload.interpreter.forklocks import hold_over_forks

__all__ = ["thread_frames"]

# Held while Python does not collect, so that each call finds out whether it did before. Held over forks.
_lock = threading.RLock()
hold_over_forks("frames", _lock)


def thread_frames() -> dict[int, FrameType]:
    """Return the innermost frame of each thread:  {140187: <frame>}

    Not `sys._current_frames()` as it is: in Python 3.11.0 to 3.11.8, a collection that begins within it, and lets
    another thread run, can leave all waiting for each other (https://github.com/python/cpython/issues/106883).
    """
    with _lock:
        collects = gc.isenabled()
        gc.disable()
        try:
            return sys._current_frames()
        finally:
            if collects:
                gc.enable()
