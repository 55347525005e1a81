"""Collecting: when Python looks for unreachable objects, which stops all threads."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ponyreload.generations import Generation

__all__ = ["Collector", "few_collections"]

# Memory of retired generations is collected when none has retired and no request has come for so long: a collection
# stops all threads, and must not come between a save and its answer.
QUIET_SECONDS = 1.0
# But if requests never leave it that much time, after so long;
MOST_SECONDS = 5.0
# and if reloads never do, when so many have retired: Python itself lets dozens wait.
MOST_GENERATIONS = 8

# Objects that a load may make before Python looks for unreachable ones among them.
YOUNG_OBJECTS = 50_000


class Collector:
    """Decides when the memory of retired generations is collected. Guarded by the reloader's lock.

    Attributes:
        at: When to decide next, on the monotonic clock; None if there is nothing to collect.
    """

    def __init__(self) -> None:
        self.at: float | None = None
        self._latest = 0.0
        self._retired = 0  # since the last collection

    def retired(self, serving: Generation) -> None:
        """Note that a generation has retired, and which one serves now."""
        self._retired += 1
        self.at = time.monotonic() + QUIET_SECONDS
        self._latest = time.monotonic() + MOST_SECONDS
        serving.is_asked = False

    def is_burst(self) -> bool:
        """Tell whether so many have retired that it is time, quiet or not."""
        return self._retired >= MOST_GENERATIONS

    def take(self, serving: Generation) -> tuple[bool, bool]:
        """Tell whether to collect now because it is quiet, and because many have retired; that is then done with."""
        now, is_burst = time.monotonic(), self.is_burst()
        is_quiet = self.at is not None and self.at <= now
        if is_quiet and serving.is_asked and now < self._latest:
            serving.is_asked, is_quiet, self.at = False, False, now + QUIET_SECONDS
        if is_quiet:
            self.at = None
        if is_quiet or is_burst:
            self._retired = 0
        return is_quiet, is_burst


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
        if gc.get_threshold() == meanwhile:
            gc.set_threshold(*before)
