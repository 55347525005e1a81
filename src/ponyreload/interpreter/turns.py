"""Turns: how long a thread that loads may keep the interpreter from the others."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["give_turn", "short_turns"]

# A request needs the interpreter some five times, for its connection, its thread, its answer. Each time it waits for
# one turn of the thread that loads: 5 ms, unless it is told otherwise.
TURN_SECONDS = 0.001

# Whoever asks the system for something, as a load does for each module, hands the interpreter over, and has it back
# before one that waits has woken up; that one then waits anew, all through the load. So after this time,
MOST_SECONDS = 0.003
# it is left to others for long enough.
WAKE_SECONDS = 0.00005


@contextmanager
def short_turns() -> Iterator[None]:
    """Run a block that looks and loads, with threads that wait for the interpreter given it sooner.

    The number is the process's; if the loaded code sets its own, that stays.
    """
    before = sys.getswitchinterval()
    if before <= TURN_SECONDS:
        yield
        return
    sys.setswitchinterval(TURN_SECONDS)
    meanwhile = sys.getswitchinterval()  # it is rounded
    try:
        yield
    finally:
        if sys.getswitchinterval() == meanwhile:
            sys.setswitchinterval(before)


def give_turn(since: float) -> float:
    """Leave the GIL to other threads, if the calling one has had it for long.

    Args:
        since: When it left the GIL to others last, on the monotonic clock.

    Returns:
        The same for the next call.
    """
    if time.monotonic() - since <= MOST_SECONDS:
        return since
    time.sleep(WAKE_SECONDS)
    return time.monotonic()
