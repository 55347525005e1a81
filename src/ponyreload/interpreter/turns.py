"""Turns: how long a thread that loads may hold the GIL while others wait for it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["give_turn", "short_turns"]

# Seconds after which a thread that loads gives up the GIL to one that waits. A request takes the GIL about five times,
# for its connection, its thread, its response, and waits this long each time. Python's default is 5 ms.
TURN_SECONDS = 0.001

# Seconds after which a thread that loads sleeps, so that a waiting thread gets the GIL. A system call, as a load makes
# for each module, gives up the GIL too, but takes it back before a waiting thread has woken up. That thread then starts
# to wait again, until the end of the load.
MOST_SECONDS = 0.003
# Seconds of that sleep: long enough for a waiting thread to wake up.
WAKE_SECONDS = 0.00005


@contextmanager
def short_turns() -> Iterator[None]:
    """Run a block that scans files and loads modules, with a shorter switch interval of the GIL.

    The interval applies to the whole process. If the loaded code sets its own, that stays.
    """
    before = sys.getswitchinterval()
    if before <= TURN_SECONDS:
        yield
        return
    sys.setswitchinterval(TURN_SECONDS)
    meanwhile = sys.getswitchinterval()  # Python rounds it
    try:
        yield
    finally:
        if sys.getswitchinterval() == meanwhile:
            sys.setswitchinterval(before)


def give_turn(since: float) -> float:
    """Let other threads have the GIL, if the calling thread has not done so for `MOST_SECONDS`.

    Args:
        since: When it last did so, on the monotonic clock.

    Returns:
        The value of *since* for the next call.
    """
    if time.monotonic() - since <= MOST_SECONDS:
        return since
    time.sleep(WAKE_SECONDS)
    return time.monotonic()
