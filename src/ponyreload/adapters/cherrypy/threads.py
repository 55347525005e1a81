"""Threads: the server's. Each has data of its own in `cherrypy.thread_data`, for each generation that it has served."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import cherrypy

from ponyreload.adapters import cheroot
from ponyreload.generations.contents import Contents
from ponyreload.generations.context import entered, published
from ponyreload.generations.generation import Generation
from ponyreload.reporting import say

__all__ = ["THREADS", "ServerThreads"]

# Seconds that busy threads have for their next request before they are named.
GRACE_SECONDS = 5.0
# Seconds between two calls of the idle threads, and two checks of whether the bus stops.
STEP_SECONDS = 0.1

# Listeners of "stop_thread" and their priorities:  {<function disconnect>: 50}
Callbacks = dict[Callable[..., Any], int]
ThreadData: Any = type(cherrypy.thread_data)


class Farewell:
    """What one thread has yet to call for a generation that retires: what it opened there, only it may close."""

    def __init__(self, generation: Generation, number: int, callbacks: Callbacks, data: Any) -> None:
        self.generation = generation
        self.number = number
        self.callbacks = callbacks
        self.data = data
        self.done = threading.Event()

    def call(self) -> None:
        """Call the listeners. What they raise is reported once for all threads."""
        # The generation may have let go of its contents by now.
        self.generation.contents[THREADS.data] = self.data
        with entered(self.generation):
            for callback in sorted(self.callbacks, key=lambda each: self.callbacks[each]):
                try:
                    callback(self.number)
                except (Exception, SystemExit) as error:
                    THREADS.report(self.generation, error)
        self.done.set()


class ServerThreads:
    """Routes `cherrypy.thread_data` to the active generation's; takes each thread's leave of what retires.

    Threads: ``_due`` is written by those that retire generations, and each server's thread takes from its own queue. No
    lock is needed: each access is one step. Who has taken a farewell from its queue, and nobody else, calls it.
    """

    def install(self) -> None:
        # What threads have there before autoreload is the first generation's, and stays where it is.
        self.data: Contents[Any] = Contents(ThreadData, None)
        # Those that were announced to a generation, and their numbers:  <Thread> -> 3
        self.greeted: Contents[dict[threading.Thread, int]] = Contents(dict)
        self._due: dict[threading.Thread, deque[Farewell]] = {}
        # The generation whose listeners were reported last.
        self._reported = 0
        cherrypy.thread_data.__class__ = RoutedThreadData

    def uninstall(self) -> None:
        # Other threads cannot be given back theirs from here: a later generation goes on to find its own by this class.
        if self.data.of(published()) is None:
            cherrypy.thread_data.__class__ = ThreadData

    def let_go(self, generation: Generation, number: int) -> bool:
        """Forget the thread with that number, which ends for *generation*; tell whether it was announced there."""
        greeted = self.greeted.of(generation)
        ends = [thread for thread, each in list(greeted.items()) if each == number]
        return any(greeted.pop(thread, None) is not None for thread in ends)  # one at most

    def take_leave(self) -> None:
        """Call what the calling thread has yet to call; on each request."""
        farewells = self._due.get(threading.current_thread()) if self._due else None
        while farewells:
            with suppress(IndexError):
                farewells.popleft().call()

    def retire(self, generation: Generation, callbacks: Callbacks) -> None:
        """Have each thread that *generation* has greeted call its "stop_thread" listeners, and wait for that a while.

        Threads that wait for a connection do that at once, busy ones at their next request. What one has not done by
        the end of the bus, or of the thread, is done here, as CherryPy does it.
        """
        greeted, data = self.greeted.of(generation), self.data.of(generation)
        farewells: dict[threading.Thread, Farewell] = {}
        while callbacks and greeted:
            thread, number = greeted.popitem()
            farewells[thread] = Farewell(generation, number, callbacks.copy(), data)
            self._due.setdefault(thread, deque()).append(farewells[thread])
        deadline = time.monotonic() + GRACE_SECONDS
        while not _stops() and time.monotonic() < deadline and any(map(_is_waited_for, farewells.items())):
            # Again, because a thread may just have been about to wait for a connection.
            cheroot.ADAPTER.call_in_idle_workers(self.take_leave)
            until = time.monotonic() + STEP_SECONDS
            for _, farewell in filter(_is_waited_for, farewells.items()):
                farewell.done.wait(until - time.monotonic())
        late = []
        for thread, farewell in filter(_is_due, farewells.items()):
            if thread.is_alive() and not _stops():
                late.append(thread.name)
                continue
            with suppress(ValueError):  # the thread has just taken it
                self._due[thread].remove(farewell)
                farewell.call()
        for thread in [each for each in list(self._due) if not each.is_alive()]:
            self._due.pop(thread, None)
        if late:
            text = f"generation {generation.number} has retired, but its stop_thread listeners wait for busy threads"
            say(f"{text}: {', '.join(map(repr, sorted(late)))}", logging.WARNING)

    def report(self, generation: Generation, error: BaseException) -> None:
        """Report that a "stop_thread" listener failed; many threads call the same one."""
        if self._reported != generation.number:
            self._reported = generation.number
            text = f"a stop_thread listener of generation {generation.number} failed: {type(error).__name__}: {error}"
            say(text, logging.ERROR)


class RoutedThreadData(ThreadData):  # type: ignore[misc]
    """`cherrypy.thread_data`: the data are those of the thread and of the active generation."""

    def __getattribute__(self, name: str) -> Any:
        own = THREADS.data.get()
        return super().__getattribute__(name) if own is None else getattr(own, name)

    def __setattr__(self, name: str, value: Any) -> None:
        own = THREADS.data.get()
        if own is None:
            super().__setattr__(name, value)
        else:
            setattr(own, name, value)

    def __delattr__(self, name: str) -> None:
        own = THREADS.data.get()
        if own is None:
            super().__delattr__(name)
        else:
            delattr(own, name)


def _is_due(row: tuple[threading.Thread, Farewell]) -> bool:
    return not row[1].done.is_set()


def _is_waited_for(row: tuple[threading.Thread, Farewell]) -> bool:
    return row[0].is_alive() and _is_due(row)


def _stops() -> bool:
    return cherrypy.engine.state in (cherrypy.engine.states.STOPPING, cherrypy.engine.states.EXITING)


THREADS = ServerThreads()
