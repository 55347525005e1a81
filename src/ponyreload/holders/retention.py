"""Retention: generations that have retired and are still in memory."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ponyreload.generations.generation import Generation
from ponyreload.holders.search import Holder, holder_of_each
from ponyreload.reporting import say

__all__ = ["Kept", "Retained"]

# More superseded generations than this in memory are called a leak.
MOST = 8
# Threads that are ending and connections that are being closed may hold a generation longer than its requests do, but
# not longer than this.
GRACE_SECONDS = 5.0


class Retired(NamedTuple):
    """A generation that has retired, and when, on the monotonic clock."""

    generation: weakref.ref[Generation]
    at: float


class Kept(NamedTuple):
    """A retired generation that is in memory, when it retired, and what holds it, if that has been found."""

    generation: Generation
    at: float
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
        self._retired: list[Retired] = []
        # What the last search has found:  <generation 3> -> Holder(3, ...)
        self._found: weakref.WeakKeyDictionary[Generation, Holder] = weakref.WeakKeyDictionary()
        # The last thread that reported, or is doing so.
        self._reporter = threading.Thread()
        # How many generations were in memory when that was reported as a leak; the reporter's own.
        self._most_reported = MOST

    def add(self, generation: Generation) -> None:
        """Note that a generation has retired."""
        with self._lock:
            self._retired = [*self._in_memory(), Retired(weakref.ref(generation), time.monotonic())]

    def holders(self) -> list[Holder]:
        """Return what keeps each retired generation in memory that is; to be called after a collection."""
        generations = [it for each, _ in self._in_memory() if (it := each()) is not None]
        found = holder_of_each(generations, self._living())
        with self._lock:
            for generation, holder in zip(generations, found, strict=True):
                if holder is None:
                    self._found.pop(generation, None)
                else:
                    self._found[generation] = holder
        return [holder for holder in found if holder is not None]

    def known(self) -> list[Kept]:
        """Return what is known of retired generations that are in memory, oldest first; nothing is searched for."""
        with self._lock:
            kept = [(each(), at) for each, at in self._retired]
            return [Kept(each, at, self._found.get(each)) for each, at in kept if each is not None]

    def report(self) -> bool:
        """Report what is new, in a thread of its own; to be called after a collection.

        Returns:
            Whether to call it again, GRACE_SECONDS later: something is in memory that may go by itself, or that the
            thread which is reporting now has not seen.
        """
        since = time.monotonic() - GRACE_SECONDS
        is_leak = self._superseded() > self._most_reported
        with self._lock:
            unreported = self._in_memory(unreported=True)
            due = [each for each in unreported if each.at <= since]
            is_reporting = self._reporter.is_alive()
            if (due or is_leak) and not is_reporting:
                name = "ponyreload looks for holders"
                self._reporter = threading.Thread(target=self._report, args=(due,), name=name, daemon=True)
                self._reporter.start()
        return len(unreported) > (0 if is_reporting else len(due))

    def begin_in_child(self) -> None:
        """Begin anew in a forked process, where another thread of the parent may have held the lock."""
        self._lock = threading.RLock()

    def _in_memory(self, unreported: bool = False) -> list[Retired]:
        """Return the retired generations that are in memory, or those of them that were not reported."""
        with self._lock:
            rows = [(each, each.generation()) for each in self._retired]
        return [each for each, it in rows if it is not None and not (unreported and it.is_holder_reported)]

    def _superseded(self) -> int:
        return len(self._in_memory()) + len(self._living()) - 1

    def _report(self, due: Sequence[Retired]) -> None:
        found = self.holders()
        for generation, _, holder in self.known():
            if any(each.generation() is generation for each in due):
                generation.is_holder_reported = True
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
