"""Threads: what a generation's code has started, timers included."""

from __future__ import annotations

import functools
import sys
import threading
import time
from collections.abc import Callable
from inspect import getattr_static
from typing import Any
from weakref import WeakSet

from ponyreload.generations.context import (
    MARK,
    calling,
    calling_names,
    entered,
    entered_generation,
    holder_of,
    is_for_process,
)
from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import names_of
from ponyreload.interpreter.attributes import module_of, own_namespace
from ponyreload.interpreter.patches import Patches
from ponyreload.interpreter.private import target_of
from ponyreload.ownership.leftovers import Leftovers, runs_server
from ponyreload.ownership.makers import Belongings, Maker, maker_in
from ponyreload.ownership.stoppable import is_started_by_user_code, stop_all

__all__ = ["Threads"]

# Seconds that the threads of a retired generation have to end before they are reported.
GRACE_SECONDS = 5.0
# Seconds to wait for one thread before the others, and the end of the process, are checked.
STEP_SECONDS = 0.05
# Whether a thread begins with a copy of the context of the one that starts it; new in Python 3.14.
INHERIT: bool = getattr(sys.flags, "thread_inherit_context", False)


class Threads:
    """Records which threads start; cancels timers, waits for the others, and reports those that keep running.

    Python has no hook for new threads, so `threading.Thread.start` is wrapped. What is started below it
    (`_thread.start_new_thread`, threads of C code) is not recorded.

    Attributes:
        own: Threads that run a generation's code, or that its code has started itself.
    """

    def __init__(self, patches: Patches) -> None:
        self.own: Belongings[threading.Thread] = Belongings()
        # Threads that a library has started while a generation's code called it.
        self._of_libraries: Belongings[threading.Thread] = Belongings()
        # Those of them that it has started itself, by a method of what can stop them.
        self._stoppable: Belongings[threading.Thread] = Belongings()
        # Generations that have begun to retire: a timer that one of these starts is cancelled at once.
        self._over: WeakSet[Generation] = WeakSet()
        self._leftovers = Leftovers(self.own, self._of_libraries)
        self._ends = threading.Event()
        self._patches = patches

    def install(self) -> None:
        """Wrap `Thread.start`."""
        plain: Callable[[threading.Thread], None] = threading.Thread.start
        note = self._note

        @functools.wraps(plain)
        def start(self: threading.Thread) -> None:
            is_own = note(self, sys._getframe(1).f_globals)
            if is_own or not INHERIT:
                plain(self)
                return
            # A thread of a library may serve all generations, whichever request has it start.
            with entered(None):
                plain(self)

        self._patches.put(threading.Thread, "start", start)

    def _note(self, thread: threading.Thread, caller: dict[str, Any]) -> bool:
        """Record whose thread is about to start, by code with the globals *caller*; tell whether it is user code's."""
        if is_for_process():
            return False
        names = _names_of_thread(thread) or caller
        if MARK in names:
            by = maker_in(names)
            self.own.add(by, thread)
            # Add first, check second. `cancel_timers` does it the other way round, so one of the two cancels it.
            if isinstance(thread, threading.Timer) and by.generation in self._over:
                thread.cancel()
        elif not str(names.get("__name__")).startswith("ponyreload."):
            user = holder_of(calling_names(), entered_generation() or calling())
            if user is not None:
                self._of_libraries.add(Maker(user, None), thread)
                if is_started_by_user_code(thread):
                    self._stoppable.add(Maker(user, None), thread)
        return MARK in names

    def cancel_timers(self, generation: Generation) -> None:
        """Cancel the timers of *generation*, and from now on every timer that it starts."""
        self._over.add(generation)
        # Threads that run its code may have started before this was installed.
        for thread in threading.enumerate():
            names = _names_of_thread(thread)
            if names is not None and names.get(MARK) is generation:
                self.own.add(Maker(generation, str(names.get("__name__"))), thread)
        for thread in self.own.of(generation):
            if isinstance(thread, threading.Timer):
                thread.cancel()

    def stop(self, generation: Generation) -> None:
        """Stop what libraries' threads work for that *generation* has started."""
        stop_all([*self.own.of(generation), *self._stoppable.of(generation)], generation, GRACE_SECONDS)

    def join(self, generation: Generation) -> None:
        """Wait for the threads that Python waits for when a process ends. `superseded()` is true for them."""
        deadline = time.monotonic() + GRACE_SECONDS
        while not self._ends.is_set() and time.monotonic() < deadline:
            waited_for = [each for each in self.own.of(generation) if _is_waited_for(each, generation)]
            if not waited_for:
                break
            # Not `thread.join`: the user's class may override it.
            threading.Thread.join(waited_for[0], STEP_SECONDS)

    def watch(self, generation: Generation, since: float) -> None:
        """Report the threads that keep running.

        Args:
            since: When they were told to end, on the monotonic clock.
        """
        self._leftovers.expect(generation, since + GRACE_SECONDS)

    def end(self) -> None:
        """Stop waiting: the process ends."""
        self._ends.set()
        self._leftovers.end()

    def forget_all(self) -> None:
        """Forget the threads: a forked process does not have them."""
        self.own.forget_all()
        self._of_libraries.forget_all()
        self._stoppable.forget_all()
        self._leftovers.forget_all()


def _names_of_thread(thread: threading.Thread) -> dict[str, Any] | None:
    """Return the globals of the user code that a thread runs: its class's, or its target's."""
    kind = type(thread)
    given = (own_namespace(thread) or {}).get("function") if issubclass(kind, threading.Timer) else target_of(thread)
    # Python's own classes are nobody's, and those of most threads. To look through one takes longer than all else.
    return (None if module_of(kind) == "threading" else names_of(kind)) or names_of(given)


def _is_waited_for(thread: threading.Thread, generation: Generation) -> bool:
    if thread is threading.current_thread() or not threading.Thread.is_alive(thread) or _is_daemon(thread):
        return False
    # The first script's server serves the generations after it, too.
    return generation.number > 1 or not runs_server(thread)


_is_daemon: Callable[[threading.Thread], bool] = getattr_static(threading.Thread, "daemon").fget
