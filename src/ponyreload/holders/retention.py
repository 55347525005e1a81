"""Retention: generations that have retired and are still in memory."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ponyreload.generations.generation import Generation
from ponyreload.holders.remains import Remains
from ponyreload.holders.search import Holder, holder_of_each
from ponyreload.interpreter.starting import start
from ponyreload.reporting import say

__all__ = ["Kept", "Retained"]

# More superseded generations than this in memory are called a leak.
MOST = 8
# Threads that are ending and connections that are being closed may hold a generation longer than its requests do, but
# not longer than this.
GRACE_SECONDS = 5.0


class Kept(NamedTuple):
    """A retired generation that is in memory, or of which a class is, and what holds it, if that has been found."""

    remains: Remains
    holder: Holder | None


class Retained:
    """Reports, once for each generation, what keeps it in memory after it has retired.

    Args:
        living: Returns the generations that have not retired.

    Threads: all methods may be called from any thread. `_lock` protects the list, what was found, and which thread
    reports. It is re-entrant, because the collector may run code of the application at any moment, and that may ask
    for the holders. Only one thread reports at a time, and marks what it has reported before it ends: so no second
    search finds the same generation unreported.
    """

    def __init__(self, living: Callable[[], Sequence[Generation]]) -> None:
        self._living = living
        self._lock = threading.RLock()
        self._retired: list[Remains] = []
        # What the last search has found:  <what is left of generation 3> -> Holder(3, ...)
        self._found: weakref.WeakKeyDictionary[Remains, Holder] = weakref.WeakKeyDictionary()
        # The last thread that reported, or is doing so.
        self._reporter = threading.Thread()
        # How many generations were in memory when that was reported as a leak; the reporter's own.
        self._most_reported = MOST

    def add(self, generation: Generation) -> None:
        """Note that a generation has retired."""
        remains = Remains(generation)
        with self._lock:
            self._retired = [*self._in_memory(), remains]

    def holders(self) -> list[Holder]:
        """Return what keeps each retired generation in memory that is; to be called after a collection."""
        remains = self._in_memory()
        found = holder_of_each(remains, self._living())
        with self._lock:
            for each, holder in zip(remains, found, strict=True):
                if holder is None:
                    self._found.pop(each, None)
                else:
                    self._found[each] = holder
        return [holder for holder in found if holder is not None]

    def known(self) -> list[Kept]:
        """Return what is known of retired generations that are in memory, oldest first; nothing is searched for.

        One of which only classes are is among them once their holder has been found: they may wait for the collector.
        """
        with self._lock:
            kept = [Kept(each, self._found.get(each)) for each in self._in_memory()]
        return [each for each in kept if each.holder is not None or each.remains.generation() is not None]

    def report(self) -> bool:
        """Report what is new, in a thread of its own; to be called after a collection.

        Returns:
            Whether to call it again, GRACE_SECONDS later: something is in memory that may go by itself, or that the
            thread which is reporting now has not seen.
        """
        since = time.monotonic() - GRACE_SECONDS
        is_leak = self._superseded() > self._most_reported
        with self._lock:
            unreported = [each for each in self._in_memory() if not each.is_reported]
            due = [each for each in unreported if each.at <= since]
            is_reporting = self._reporter.is_alive()
            if (due or is_leak) and not is_reporting:
                name = "ponyreload looks for holders"
                self._reporter = threading.Thread(target=self._report, args=(due,), name=name, daemon=True)
                if not start(self._reporter):
                    return False
        return len(unreported) > (0 if is_reporting else len(due))

    def begin_in_child(self) -> None:
        """Begin anew in a forked process, where another thread of the parent may have held the lock."""
        self._lock = threading.RLock()

    def _in_memory(self) -> list[Remains]:
        """Return the retired generations that are in memory, or of which a class is."""
        with self._lock:
            return [each for each in self._retired if each.in_memory()]

    def _superseded(self) -> int:
        """Return how many are in memory as a whole."""
        return sum(each.generation() is not None for each in self._in_memory()) + len(self._living()) - 1

    def _report(self, due: Sequence[Remains]) -> None:
        found = self.holders()
        for each in due:
            each.is_reported = True
            with self._lock:
                holder = self._found.get(each)
            if holder is not None:
                say(holder.text, logging.WARNING)
        number = self._superseded()
        if number > self._most_reported:
            self._most_reported = number
            held = [
                f"generation {each.number} is held by {len(each.leases)} requests"
                for each in self._living()[:-1]
                if each.leases
            ]
            reasons = "\n".join([holder.text for holder in found] + held)
            say(f"{number} superseded generations are in memory; reloading continues\n{reasons}", logging.ERROR)
