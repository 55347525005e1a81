"""Leftovers: threads of a retired generation that do not end. Each generation's are named once."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Iterable
from types import FrameType
from typing import Any, NamedTuple

from ponyreload.generations.context import MARK
from ponyreload.generations.generation import Generation
from ponyreload.interpreter.attributes import class_of, module_of, mro_of
from ponyreload.interpreter.frames import outward, thread_frames
from ponyreload.interpreter.private import target_of
from ponyreload.interpreter.starting import start
from ponyreload.options.servers import TABLE
from ponyreload.ownership.makers import Belongings
from ponyreload.ownership.shared import is_shared
from ponyreload.reporting import say, shown

__all__ = ["Leftovers", "is_of_server", "runs_server"]

# A library's own threads often end when what they work for has been collected, and see that late.
LIBRARY_SECONDS = 30.0
# Packages whose threads serve all generations, and pools, which `executors` shut down.
SERVERS = {"socketserver"}.union(*(each.packages for each in TABLE if each.is_server and each.adapter))
POOLS = {"concurrent", "multiprocessing"}
MOST_NAMED = 5


class Expected(NamedTuple):
    """A generation whose threads are to have ended at *due*, on the monotonic clock; of *libraries*, or its own."""

    due: float
    number: int
    was_published: bool
    generation: weakref.ref[Generation]
    threads: tuple[weakref.ref[threading.Thread], ...]
    libraries: bool


class Leftovers:
    """Names the threads that go on. It has one thread of its own for that, while there is something to wait for.

    ``_news``, a condition, protects what is expected; nobody's code runs while it is held.
    """

    def __init__(self, own: Belongings[threading.Thread], of_libraries: Belongings[threading.Thread]) -> None:
        self._own = own
        self._of_libraries = of_libraries
        self._news = threading.Condition()
        self._expected: list[Expected] = []
        self._thread: threading.Thread | None = None
        self._ends = False

    def expect(self, generation: Generation, due: float) -> None:
        """Have the threads of *generation* named that go on at *due*, and later those of libraries."""
        reference = weakref.ref(generation)
        for belongings, at in ((self._own, due), (self._of_libraries, max(due, time.monotonic() + LIBRARY_SECONDS))):
            libraries = belongings is self._of_libraries
            threads = tuple(weakref.ref(each) for each in belongings.of(generation) if _may_stay(each, libraries))
            # A thread that starts later is started by one of these.
            if threads:
                expected = Expected(at, generation.number, generation.published, reference, threads, libraries)
                with self._news:
                    going_on = [each for each in self._expected if any(map(_is_alive, each.threads))]
                    self._expected = sorted([*going_on, expected], key=lambda each: each.due)
                    if self._thread is None and not self._ends:
                        name = "ponyreload waits for threads"
                        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
                        if not start(self._thread):
                            return
                    self._news.notify_all()

    def end(self) -> None:
        """Wait for nothing any more."""
        with self._news:
            self._ends = True
            self._news.notify_all()

    def forget_all(self) -> None:
        """Begin anew in a forked process, where none of these threads is."""
        self._news = threading.Condition()
        self._expected, self._thread = [], None

    def _run(self) -> None:
        while True:
            with self._news:
                if self._ends or not self._expected:
                    self._thread = None
                    return
                seconds = self._expected[0].due - time.monotonic()
                if seconds > 0:
                    self._news.wait(seconds)
                    continue
                expected = self._expected.pop(0)
            self._tell(expected)

    def _tell(self, expected: Expected) -> None:
        """Name those that go on, if there are any."""
        generation = expected.generation()
        threads = [thread for reference in expected.threads if (thread := reference()) is not None]
        if generation is not None:
            # And those that these have started.
            made = self._of_libraries if expected.libraries else self._own
            threads += [each for each in made.of(generation) if each not in threads]
        named = []
        frames = thread_frames()
        for thread in threads:
            stack = list(outward(frames.get(thread.ident or 0)))
            if threading.Thread.is_alive(thread) and self._is_to_be_named(thread, stack, expected, generation):
                named.append(_words(thread, stack, generation))
        del frames, threads
        if named:
            more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
            outcome = "has retired" if expected.was_published else "was not served"
            text = f"generation {expected.number} {outcome}, but threads that it started still run: "
            text += f"{', '.join(named[:MOST_NAMED])}{more}"
            end = (
                "end them in an @on_retire function"
                if expected.libraries
                else "have them end once superseded() is true"
            )
            say(f"{text}; if they do not end by themselves, {end}, or each reload adds to them", logging.WARNING)

    def _is_to_be_named(
        self, thread: threading.Thread, stack: list[FrameType], expected: Expected, generation: Generation | None
    ) -> bool:
        runs_own = generation is not None and any(frame.f_globals.get(MARK) is generation for frame in stack)
        if not runs_own and is_shared(thread):
            return False
        if runs_own or not expected.libraries:
            # The first script's server goes on with the generations after it.
            return expected.number > 1 or not runs_server(thread)
        kind = _kind(thread)
        # One thread for all generations, whoever came first, is no leftover; one for each of them is.
        return any(_kind(each) == kind for each in self._of_libraries.newer_than(expected.number))


def is_of_server(thing: object) -> bool:
    """Tell whether *thing* is a function, a class or an object of a server's package."""
    return any(_package(module_of(each)) in SERVERS for each in (thing, *mro_of(class_of(thing))))


def runs_server(thread: threading.Thread) -> bool:
    """Tell whether a thread runs a server: it goes on with all generations, whichever has started it."""
    frames = outward(thread_frames().get(thread.ident or 0))
    return any(_package(frame.f_globals.get("__name__")) in SERVERS for frame in frames)


def _words(thread: threading.Thread, stack: Iterable[FrameType], generation: Generation | None) -> str:
    """Name a thread, and where it is in the user's code; if it is not, what it was started to run."""
    for frame in stack:
        if generation is not None and frame.f_globals.get(MARK) is generation:
            place = f"{shown(frame.f_code.co_filename)}:{frame.f_lineno}"
            return f"{thread.name!r} (in {frame.f_globals.get('__name__')}.{frame.f_code.co_name} at {place})"
    function = _function_of(thread)
    return f"{thread.name!r} (runs {function.__module__}.{function.__qualname__})"


def _may_stay(thread: threading.Thread, libraries: bool) -> bool:
    """Tell whether a thread goes on, and is none of a server or a pool of a library."""
    module = getattr(_function_of(thread), "__module__", None) if libraries else None
    return threading.Thread.is_alive(thread) and _package(module) not in SERVERS | POOLS


def _is_alive(reference: weakref.ref[threading.Thread]) -> bool:
    thread = reference()
    return thread is not None and threading.Thread.is_alive(thread)


def _kind(thread: threading.Thread) -> tuple[type, object]:
    """Return what tells a thread's kind from others."""
    return type(thread), getattr(_function_of(thread), "__code__", None)


def _function_of(thread: threading.Thread) -> Any:
    """Return the function that a thread runs, or what its class does."""
    target = target_of(thread)
    return type(thread).run if target is None else getattr(target, "__func__", target)


def _package(name: object) -> str:
    return name.partition(".")[0] if isinstance(name, str) else ""
