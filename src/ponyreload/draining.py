"""Draining: what keeps a superseded generation from retiring."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from typing import Any

from ponyreload.generations import Generation, active, is_on
from ponyreload.middleware import LeasedBody, Slot
from ponyreload.thread_frames import thread_frames

__all__ = ["open_requests", "superseded"]


def superseded(timeout: float = 0.0) -> bool:
    """Tell whether the generation that the calling code runs in is no longer the newest.

    Args:
        timeout: Wait up to so many seconds for that to happen.

    A stream, or a thread that a user module started, asks this to end in good time. It is true as well when the load
    of that generation has failed, and when the process ends; never while autoreload is off. Safe to call from any
    thread.
    """
    until = time.monotonic() + timeout
    # A thread that is started before autoreload is turned on is one of generation 1 afterwards.
    generation = active() or (active() if is_on.wait(timeout) else None)
    return generation is not None and generation.superseded.wait(max(0.0, until - time.monotonic()))


def open_requests(generation: Generation) -> list[str]:
    """Describe the requests that hold a generation, the oldest first:  "GET /stream, open for 42 s".

    Costs a walk over all objects; nothing is noted down while requests run.
    """
    now = time.monotonic()
    found = sorted(_calls(generation) + _bodies(generation), key=lambda each: each[0])
    return [f"{_line(environ)}, open for {now - started:.0f} s" for started, environ in found]


def _calls(generation: Generation) -> list[tuple[float, Any]]:
    """Return when they started, and the environ, of the requests that are in the application's call."""
    found = []
    for frame in list(thread_frames().values()):
        for each in _callers(frame):
            if each.f_code is Slot.__call__.__code__:
                names = each.f_locals
                if names.get("generation") is generation:
                    found.append((names["started"], names["environ"]))
    return found


def _callers(frame: Any) -> Iterator[Any]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _bodies(generation: Generation) -> list[tuple[float, Any]]:
    bodies = [each for each in gc.get_objects() if issubclass(type(each), LeasedBody)]
    return [(each.started, each.environ) for each in bodies if each.generation is generation]


def _line(environ: Any) -> str:
    return f"{environ.get('REQUEST_METHOD', '?')} {environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
