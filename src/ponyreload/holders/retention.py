"""Retention: generations that have retired, and are in memory all the same."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from ponyreload.generations.generation import Generation
from ponyreload.holders.search import Holder, holder_of_each
from ponyreload.reporting import say

__all__ = ["Kept", "Retained"]

# So many superseded generations may be in memory before that is called a leak.
MOST = 8
# Threads that are ending and connections that are being closed may hold a generation a little longer than its requests.
GRACE_SECONDS = 5.0


class Retired(NamedTuple):
    """A generation that has retired, and when, on the monotonic clock."""

    generation: weakref.ref[Generation]
    at: float


class Kept(NamedTuple):
    """A generation that has retired and is in memory, since when, and what holds it, if that has been found."""

    generation: Generation
    at: float
    holder: Holder | None


class Retained:
    """Says, once for each generation, what keeps it in memory after it has retired.

    Args:
        living: Returns the generations that have not retired.

    Threads: `add`, `holders` and `known` may be called from any thread. `_lock` guards the lists.
    """

    def __init__(self, living: Callable[[], Sequence[Generation]]) -> None:
        self._living = living
        self._lock = threading.Lock()
        self._retired: list[Retired] = []
        # What the last search has found:  <generation 3> -> Holder(3, …)
        self._found: weakref.WeakKeyDictionary[Generation, Holder] = weakref.WeakKeyDictionary()
        self._told_of = 0  # generations that were in memory when that was called too many

    def add(self, generation: Generation) -> None:
        """Note that a generation has retired."""
        with self._lock:
            self._retired = [each for each in self._retired if each.generation() is not None]
            self._retired.append(Retired(weakref.ref(generation), time.monotonic()))

    def holders(self) -> list[Holder]:
        """Return what keeps each retired generation in memory that is; to be called after a collection."""
        generations = self._in_memory()
        found = holder_of_each(generations, self._living())
        for generation, holder in zip(generations, found, strict=True):
            if holder is None:
                self._found.pop(generation, None)
            else:
                self._found[generation] = holder
        return [holder for holder in found if holder is not None]

    def known(self) -> list[Kept]:
        """Return what is known of retired generations that are in memory, oldest first; nothing is searched for."""
        return [Kept(found, at, self._found.get(found)) for each, at in self._all() if (found := each()) is not None]

    def look(self) -> bool:
        """Report what is new, in a thread of its own; to be called after a collection.

        Returns:
            Whether to look again, GRACE_SECONDS later: something is in memory that may go by itself.
        """
        since = time.monotonic() - GRACE_SECONDS
        untold = [
            (found.number, at)
            for each, at in self._all()
            if (found := each()) is not None and not found.is_holder_reported
        ]
        due = {number for number, at in untold if at <= since}
        if due or self._is_leak():
            name = "ponyreload looks for holders"
            threading.Thread(target=self._report, args=(due,), name=name, daemon=True).start()
        return len(due) < len(untold)

    def begin_in_child(self) -> None:
        """Begin anew in a forked process."""
        self._lock = threading.Lock()

    def _all(self) -> list[Retired]:
        with self._lock:
            return list(self._retired)

    def _in_memory(self) -> list[Generation]:
        return [found for each, _ in self._all() if (found := each()) is not None]

    def _is_leak(self) -> bool:
        return self._superseded() > max(MOST, self._told_of)

    def _superseded(self) -> int:
        return len(self._in_memory()) + len(self._living()) - 1

    def _report(self, due: Collection[int]) -> None:
        found = self.holders()
        for each in self._in_memory():
            each.is_holder_reported = each.is_holder_reported or each.number in due
        for holder in found:
            if holder.generation in due:
                say(holder.text, logging.WARNING)
        if self._is_leak():
            number = self._told_of = self._superseded()
            held = [
                f"generation {each.number} is held by {len(each.leases)} requests"
                for each in self._living()[:-1]
                if each.leases
            ]
            reasons = "\n".join([holder.text for holder in found] + held)
            say(f"{number} superseded generations are in memory; reloading goes on\n{reasons}", logging.ERROR)
