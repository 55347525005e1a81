"""Stoppable: objects of libraries whose threads user code has started, and that have a method to end these."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

from ponyreload.generations.context import MARK, entered
from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import bound_to, names_of
from ponyreload.interpreter.attributes import class_name, module_of, mro_of, namespace_of_class
from ponyreload.interpreter.frames import callers, locals_of
from ponyreload.interpreter.private import target_of
from ponyreload.interpreter.starting import start
from ponyreload.ownership.leftovers import is_of_server
from ponyreload.ownership.shared import is_shared
from ponyreload.reporting import say

__all__ = ["is_started_by_user_code", "stop_all"]

NAMES = ("stop", "shutdown")
# Python's own, which others end, or whose method another thread must not call.
NOT_OURS = {"threading", "concurrent.futures.thread", "multiprocessing.pool", "asyncio.base_events"}
# The module that asks.
ASKING = "ponyreload.ownership.threads"
# What was named once:  {"watchdog.observers.inotify.InotifyObserver"}
_named: set[str] = set()


def is_started_by_user_code(thread: threading.Thread) -> bool:
    """Tell whether user code is just starting a library's thread, by methods of the object that can stop it.

    ``observer.start()`` in a user module is that. If a function of the library starts the thread, or a method of
    another object, the thread may be one for all generations.
    """
    thing, stop = _stop_of(thread)
    if stop is None:
        return False
    for frame in callers():
        if MARK in frame.f_globals:
            return True
        is_asking = frame.f_globals.get("__name__") == ASKING
        if not is_asking and locals_of(frame).get("".join(frame.f_code.co_varnames[:1])) is not thing:
            return False
    return False


def stop_all(threads: Iterable[threading.Thread], generation: Generation, seconds: float) -> None:
    """Stop what these threads of *generation* work for, unless it serves others too; wait up to *seconds* for it."""
    things: dict[int, tuple[Any, Callable[[Any], object]]] = {}
    for thread in threads:
        thing, stop = _stop_of(thread)
        if stop is not None and threading.Thread.is_alive(thread) and not is_shared(thing) and not is_shared(thread):
            things[id(thing)] = thing, stop
    if things:
        # In a thread of its own: it may wait for what the thread is doing.
        stopping = threading.Thread(target=_stop, args=(list(things.values()), generation), daemon=True)
        stopping.name = f"ponyreload stops threads of {generation.number}"
        if start(stopping):
            stopping.join(seconds)


def _stop(things: list[tuple[Any, Callable[[Any], object]]], generation: Generation) -> None:
    for thing, stop in things:
        name = class_name(type(thing))
        try:
            with entered(generation):
                stop(thing)
        except Exception as error:  # of the library
            say(f"{name} failed to stop: {type(error).__name__}: {error}", logging.ERROR)
            continue
        if name not in _named:
            _named.add(name)
            say(f"generation {generation.number} has retired: stopped the {name} that it started")


def _stop_of(thread: threading.Thread) -> tuple[Any, Callable[[Any], object] | None]:
    """Return the library's object that a thread works for, and the function that stops it; None if it has none."""
    thing: Any = thread if module_of(type(thread)) != "threading" else bound_to(target_of(thread))
    if thing is None or is_of_server(thing):
        return thing, None
    for name in NAMES:
        for kind in mro_of(type(thing)):
            function = namespace_of_class(kind).get(name)
            if function is not None:
                is_theirs = type(function) is FunctionType and names_of(function) is None
                if is_theirs and module_of(kind) not in NOT_OURS and _takes_nothing(function):
                    return thing, function
                break
    return thing, None


def _takes_nothing(method: FunctionType) -> bool:
    """Tell whether a method can be called without arguments."""
    code = method.__code__
    required = code.co_argcount - len(method.__defaults__ or ())
    return required == 1 and code.co_kwonlyargcount == len(method.__kwdefaults__ or ())
