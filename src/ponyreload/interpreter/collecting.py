"""Collecting: when Python looks for unreachable objects, which stops all threads."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import BuiltinFunctionType

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

__all__ = ["Collector", "few_collections"]

# Memory of retired generations is collected when there has been no reload and no request for so long: a collection
# stops all threads, longer the more objects there are, and must not come between a save and its answer.
QUIET_SECONDS = 1.0
# After that, a shorter pause of the requests will do: of a page that asks every second, for instance.
LULL_SECONDS = 0.25
# If they never pause, it comes all the same when the process has grown by so much since the last one, or by this part,
# whichever is more; or after so long, so that what holds a generation is told of.
MOST_BYTES = 256 * 2**20
MOST_GROWTH = 0.25
MOST_SECONDS = 60.0
# If reloads never pause, it comes when the process has grown by twice that, or so many have retired: they may have open
# files.
BURST_GENERATIONS = 64

# Objects that a load may make before Python looks for unreachable ones among them: more than 5,000 modules make.
YOUNG_OBJECTS = 500_000
# Python 3.12 has its own immortal objects among the frozen ones, some hundreds. Who freezes any freezes all there are.
MOST_IMMORTAL = 2_000


class Collector:
    """Decides when the memory of retired generations is collected. Guarded by the lock of `Living`.

    Attributes:
        at: When to decide next, on the monotonic clock; None if there is nothing to collect.
        collected_at: When the last collection began.
    """

    def __init__(self) -> None:
        self.at: float | None = None
        self.collected_at = 0.0
        self._first_at = 0.0  # when the first one retired since the last collection
        self._retired = 0  # how many have since then
        self._asked_at = 0.0  # when the last request had come, as it was last asked
        self._size = _memory()  # after it
        self._growth = 0.0  # since then, as a part of what there may be

    def retired(self, asked_at: float) -> None:
        """Note that a generation has retired, and when the last request came."""
        now = time.monotonic()
        if not self._retired:
            self._first_at = now
        self._retired += 1
        self._growth = (_memory() - self._size) / max(MOST_BYTES, MOST_GROWTH * self._size)
        self.at = now + QUIET_SECONDS
        self._asked_at = asked_at

    def is_burst(self) -> bool:
        """Tell whether so much has retired that it is time, quiet or not."""
        return self._growth >= 2 or self._retired >= BURST_GENERATIONS

    def take(self, asked_at: float) -> tuple[bool, bool]:
        """Tell whether to collect now because reloads pause, and because many have retired; that is then done with.

        Args:
            asked_at: When the last request came.
        """
        now, is_burst = time.monotonic(), self.is_burst()
        is_due = self.at is not None and self.at <= now
        if is_due and asked_at > self._asked_at and self._growth < 1 and now - self._first_at < MOST_SECONDS:
            self._asked_at, is_due, self.at = asked_at, False, now + LULL_SECONDS
        if is_due:
            self.at = None
        if is_due or is_burst:
            self._retired, self._growth, self.collected_at = 0, 0.0, now
        return is_due, is_burst

    def collected(self) -> None:
        """Note that a collection is over."""
        self._size = _memory()


def _memory() -> int:
    """Return the memory that the process has; if that is not known, the most that it ever had, or 0; in bytes."""
    try:
        with open("/proc/self/statm", "rb") as state:
            return int(state.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # not Linux
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit if resource else 0


@contextmanager
def few_collections() -> Iterator[None]:
    """Run a block that loads a generation, with automatic collections put off.

    All that a load makes, it keeps. Python takes its many new objects for a reason to look through young ones each few
    hundred, and through all objects of the process at least once: more than half of the time of a load of a thousand
    modules. The numbers are the process's; if the loaded code sets its own, they stay.
    """
    before = gc.get_threshold()
    if not 0 < before[0] < YOUNG_OBJECTS:
        yield  # off already, or rarer than that
        return
    meanwhile = (YOUNG_OBJECTS, *before[1:])
    gc.set_threshold(*meanwhile)
    try:
        yield
    finally:
        _call_all_old()
        if gc.get_threshold() == meanwhile:
            gc.set_threshold(*before)


def _call_all_old() -> None:
    """Have Python count all objects among the old ones, or it would look through a load's new ones right after it.

    To freeze objects and thaw them moves them there, at no cost. What the application has frozen is not to be thawed.
    """
    has_gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    if hasattr(gc, "freeze") and has_gil and gc.get_freeze_count() <= MOST_IMMORTAL:
        # Called by C code, so that no other thread comes between the two, and freezes something, or counts.
        deque(map(BuiltinFunctionType.__call__, (gc.freeze, gc.unfreeze)), maxlen=0)  # type: ignore[arg-type]
