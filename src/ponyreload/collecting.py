"""Collecting: when Python looks for unreachable objects, which stops all threads."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ponyreload.generations import Generation

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

__all__ = ["Collector", "few_collections"]

# Memory of retired generations is collected when none has retired and no request has come for so long: a collection
# stops all threads, for as long as there are objects, and must not come between a save and its answer.
QUIET_SECONDS = 1.0
# If requests never leave it that much time, it comes all the same when the process has grown by this part since the
# last one, which is when Python itself begins to think of one;
MOST_GROWTH = 0.25
# or after so long, so that what holds a generation is told of.
MOST_SECONDS = 60.0
# If reloads never do, it comes when the process has grown so much,
BURST_GROWTH = 1.0
# or so many have retired, as they may have open files.
BURST_GENERATIONS = 64

# Objects that a load may make before Python looks for unreachable ones among them: more than 5,000 modules make.
YOUNG_OBJECTS = 500_000


class Collector:
    """Decides when the memory of retired generations is collected. Guarded by the reloader's lock.

    Attributes:
        at: When to decide next, on the monotonic clock; None if there is nothing to collect.
        collected_at: When the last collection began.
    """

    def __init__(self) -> None:
        self.at: float | None = None
        self.collected_at = 0.0
        self._taken_at = 0.0
        self._latest = 0.0
        self._retired = 0  # since the last collection
        self._size = _size()  # after that
        self._growth = 0.0  # since then, as a part of it

    def retired(self, serving: Generation) -> None:
        """Note that a generation has retired, and which one serves now."""
        now = time.monotonic()
        if not self._retired:
            self._latest = now + MOST_SECONDS
        self._retired += 1
        self._growth = max(now / before for now, before in zip(_size(), self._size, strict=True)) - 1
        if self.at is None or self._growth < MOST_GROWTH:  # the more there is to collect, the longer it takes
            self.at = now + QUIET_SECONDS
        serving.is_asked = False

    def is_burst(self) -> bool:
        """Tell whether so much has retired that it is time, quiet or not."""
        return self._growth >= BURST_GROWTH or self._retired >= BURST_GENERATIONS

    def take(self, serving: Generation) -> tuple[bool, bool]:
        """Tell whether to collect now because reloads pause, and because many have retired; that is then done with."""
        now, is_burst = time.monotonic(), self.is_burst()
        is_due = self.at is not None and self.at <= now
        if is_due and serving.is_asked and self._growth < MOST_GROWTH and now < self._latest:
            serving.is_asked, is_due, self.at = False, False, now + QUIET_SECONDS
        if is_due:
            self.at = None
        if is_due or is_burst:
            self._retired, self._growth, self._taken_at = 0, 0.0, now
        return is_due, is_burst

    def collected(self) -> None:
        """Note that a collection is over."""
        self._size, self.collected_at = _size(), self._taken_at


def _size() -> tuple[int, int]:
    """Return how many blocks Python's objects take, and what memory the process has, each in its own unit."""
    return sys.getallocatedblocks(), _memory()


def _memory() -> int:
    try:
        with open("/proc/self/statm", "rb") as state:
            return int(state.read().split()[1])
    except OSError:  # not Linux; the most that it ever had says less, as that does not go down
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss if resource else 1


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
    if hasattr(gc, "freeze") and getattr(sys, "_is_gil_enabled", lambda: True)() and not gc.get_freeze_count():
        gc.freeze()
        gc.unfreeze()
