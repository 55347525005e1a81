"""`superseded`: tells long-running code that a newer generation serves."""

from __future__ import annotations

import time

from ponyreload.generations.context import active, is_on

__all__ = ["superseded"]


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
