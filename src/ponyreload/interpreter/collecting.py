"""Garbage collection: when to run it, because it stops all threads."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import BuiltinFunctionType

from ponyreload.interpreter.private import has_gil

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

__all__ = ["Collector", "few_collections"]

# Seconds without a reload or a request after which the memory of retired generations is collected. A collection stops
# all threads, for longer the more objects there are, so it must not delay the first request after a save.
QUIET_SECONDS = 1.0
# Seconds without a request that are enough after that, because some pages poll every second.
LULL_SECONDS = 0.25
# If requests never pause, a collection runs anyway when the process has grown since the last one by this many bytes, or
# by this fraction of its size, whichever is more.
MOST_BYTES = 256 * 2**20
MOST_GROWTH = 0.25
# It also runs this many seconds after the first generation has retired, so that what keeps it in memory is reported.
MOST_SECONDS = 60.0
# If reloads never pause, a collection runs when the process has grown by twice that, or when this many generations have
# retired, because they may have open files.
BURST_GENERATIONS = 64

# Number of new objects that trigger a collection during a load. 5,000 modules make fewer.
YOUNG_OBJECTS = 500_000
# `gc.get_freeze_count()` up to which the application has frozen nothing. Python 3.12 counts some hundreds of its own
# immortal objects; an application that freezes objects freezes all there are.
MOST_IMMORTAL = 2_000


class Collector:
    """Decides when to collect the memory of retired generations. Guarded by the lock of `Living`.

    All times are on the monotonic clock.

    Attributes:
        at: When to decide next; None if there is nothing to collect.
        collected_at: When the last collection began.
    """

    def __init__(self) -> None:
        self.at: float | None = None
        self.collected_at = 0.0
        self._first_at = 0.0  # when the first generation retired since the last collection
        self._retired = 0  # number of generations retired since the last collection
        self._asked_at = 0.0  # time of the newest request, when the collector last heard of it
        self._size = _memory()  # bytes of the process after the last collection
        self._growth = 0.0  # growth since then, as a fraction of the growth that triggers a collection

    def retired(self, asked_at: float) -> None:
        """Note that a generation has retired.

        Args:
            asked_at: When the newest request came.
        """
        now = time.monotonic()
        if not self._retired:
            self._first_at = now
        self._retired += 1
        self._growth = (_memory() - self._size) / max(MOST_BYTES, MOST_GROWTH * self._size)
        self.at = now + QUIET_SECONDS
        self._asked_at = asked_at

    def is_burst(self) -> bool:
        """Tell whether so much has retired that a collection should not wait for a pause."""
        return self._growth >= 2 or self._retired >= BURST_GENERATIONS

    def take(self, asked_at: float) -> tuple[bool, bool]:
        """Tell whether to collect now, and start over if so.

        Args:
            asked_at: When the newest request came.

        Returns:
            Whether reloads and requests pause, and whether too much has retired to wait for a pause.
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
        """Note that a collection has ended."""
        self._size = _memory()


def _memory() -> int:
    """Return the size of the process in bytes; outside Linux its largest size so far, or 0."""
    try:
        with open("/proc/self/statm", "rb") as state:
            return int(state.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # not Linux
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit if resource else 0


@contextmanager
def few_collections() -> Iterator[None]:
    """Run a block that loads a generation, with fewer automatic collections.

    A load keeps nearly all objects that it makes. Without this, Python would collect the young ones after every few
    hundred, and all objects of the process at least once. That takes more than half of the time of loading a thousand
    modules. The thresholds apply to the whole process. If the loaded code sets its own, they stay.
    """
    before = gc.get_threshold()
    if not 0 < before[0] < YOUNG_OBJECTS:
        yield  # collections are off, or rarer than that
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
    """Move all objects to the oldest generation of the collector, or it would scan the new ones right after a load.

    Freezing and unfreezing does this at no cost. Objects that the application has frozen must not be unfrozen.
    """
    if hasattr(gc, "freeze") and has_gil() and gc.get_freeze_count() <= MOST_IMMORTAL:
        # C code makes both calls, so no other thread can freeze objects, or count them, between the two.
        deque(map(BuiltinFunctionType.__call__, (gc.freeze, gc.unfreeze)), maxlen=0)  # type: ignore[arg-type]
