"""Retention: generations that have retired, and are in memory all the same."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Sequence

from ponyreload.generations import Generation
from ponyreload.holders.search import Holder, find_holders
from ponyreload.reporting import say

__all__ = ["Retained"]

# So many superseded generations may be in memory before that is called a leak.
MOST = 8


class Retained:
    """Says, once for each generation, what keeps it in memory after it has retired.

    Args:
        living: Returns the generations that have not retired.

    Threads: `add` and `holders` may be called from any thread. `_lock` guards the lists.
    """

    def __init__(self, living: Callable[[], Sequence[Generation]]) -> None:
        self._living = living
        self._lock = threading.Lock()
        self._retired: list[weakref.ref[Generation]] = []
        self._told_of = 0  # generations that were in memory when that was called too many

    def add(self, generation: Generation) -> None:
        """Note that a generation has retired."""
        with self._lock:
            self._retired = [each for each in self._retired if each() is not None]
            self._retired.append(weakref.ref(generation))

    def holders(self) -> list[Holder]:
        """Return what keeps each retired generation in memory that is; to be called after a collection."""
        return find_holders(self._in_memory(), self._living())

    def look(self) -> None:
        """Report what is new, in a thread of its own; to be called after a collection."""
        if self._has_news():
            threading.Thread(target=self._report, name="ponyreload looks for holders", daemon=True).start()

    def begin_in_child(self) -> None:
        """Begin anew in a forked process."""
        self._lock = threading.Lock()

    def _in_memory(self) -> list[Generation]:
        with self._lock:
            return [found for each in self._retired if (found := each()) is not None]

    def _has_news(self) -> bool:
        return any(not each.is_told for each in self._in_memory()) or self._superseded() > max(MOST, self._told_of)

    def _superseded(self) -> int:
        return len(self._in_memory()) + len(self._living()) - 1

    def _report(self) -> None:
        found = self.holders()
        news = {each.number for each in self._in_memory() if not each.is_told}
        for each in self._in_memory():
            each.is_told = True
        for holder in found:
            if holder.generation in news:
                say(holder.text, logging.WARNING)
        number = self._superseded()
        if number > max(MOST, self._told_of):
            self._told_of = number
            lasting = [f"generation {each.number} is held by {each.leases} requests" for each in self._living()[:-1]]
            reasons = "\n".join([holder.text for holder in found] + lasting)
            say(f"{number} superseded generations are in memory; reloading goes on\n{reasons}", logging.ERROR)
