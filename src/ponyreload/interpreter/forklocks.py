"""Locks that are held over a fork: the thread that forks takes them all first, so that the child finds them free."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from threading import get_ident
from typing import Protocol

from ponyreload.interpreter.private import free_in_child

__all__ = ["before_forks", "begin_in_child", "follow_forks", "hold_over_forks", "in_children"]

# The outermost first: whoever holds one of these takes only those that stand after it.
ORDER = (
    *("turning on", "servers", "files", "tools", "keeping", "modules", "living", "sources", "belongings", "marks"),
    *("frames", "own imports"),
)


class Lock(Protocol):
    """A lock or a condition."""

    def acquire(self) -> object:
        """Wait for the lock, and take it."""

    def release(self) -> object:
        """Give it back."""


# A lock -> its place in ORDER. Locks stay here: each is of a module, or of an object that lives as long as the process.
_places: dict[Lock, int] = {}
# What to wait for before a fork, without any of the locks, and whether that is over, with all of them.
_waits: list[tuple[Callable[[], object], Callable[[], bool]]] = []
# What to call in a child, with all of the locks.
_calls: list[Callable[[], object]] = []
# Thread that forks -> the locks that it has taken. Each thread touches only its own row.
_held: dict[int, list[Lock]] = {}


def hold_over_forks(name: str, lock: Lock) -> None:
    """Have *lock*, which has that place in the order, held over each fork from now on. Safe to call twice."""
    _places[lock] = ORDER.index(name)


def before_forks(wait: Callable[[], object], is_over: Callable[[], bool]) -> None:
    """Have *wait* called before each fork, and again until *is_over* tells that the fork may come."""
    _waits.append((wait, is_over))


def in_children(call: Callable[[], object]) -> None:
    """Have *call* called in each forked process. It has only the thread that forked, which holds all the locks."""
    _calls.append(call)


def follow_forks() -> None:
    """Have Python call this room at each fork. Safe to call twice; it cannot be undone.

    Python calls what was registered last first, so logging has to be imported before: threads that hold one of these
    locks may wait for a lock of logging, and not the other way round.
    """
    with suppress(IndexError):
        _registrations.pop()(before=_hold, after_in_parent=_let_go, after_in_child=begin_in_child)


# Taken out by the one thread that registers; `pop` is atomic. Empty where processes do not fork.
_registrations = [os.register_at_fork] if hasattr(os, "register_at_fork") else []


def _hold() -> None:
    held = _held[get_ident()] = []
    while True:
        for wait, _ in tuple(_waits):
            wait()
        for lock in _in_order():
            lock.acquire()
            held.append(lock)
        if all(is_over() for _, is_over in tuple(_waits)):
            return
        while held:
            held.pop().release()


def _let_go() -> None:
    # Nothing is held if autoreload was turned on since the fork began.
    held = _held.pop(get_ident(), [])
    while held:
        held.pop().release()


def begin_in_child() -> None:
    """Begin anew in a forked process; called by Python, or else by its only thread."""
    if get_ident() not in _held:
        # Python knew nothing of the fork, or autoreload was turned on since it began: whoever holds one is not here.
        for lock in _in_order():
            free_in_child(lock)
    for call in tuple(_calls):
        call()
    _let_go()


def _in_order() -> list[Lock]:
    return sorted(_places.copy(), key=_places.__getitem__)
