"""Makers: the user code that has made a thing. Whose code a thing runs is asked in `generations.owners`."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from ponyreload.generations.context import MARK, bind, entered_generation, is_for_process
from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import names_of
from ponyreload.interpreter.frames import callers
from ponyreload.options.marking import is_named_by

__all__ = ["Belongings", "Maker", "maker", "maker_in", "maker_of", "rows"]

K = TypeVar("K")
T = TypeVar("T")


class Maker(NamedTuple):
    """User code that has made a thing:  Maker(<generation 3>, "shop.cart"); None for the module if it has none."""

    generation: Generation
    module: str | None

    @property
    def is_of_process(self) -> bool:
        """Whether the module has turned out to be a system module when it had run. Then what it makes is there once.

        In a load that fails it has not turned out to be anything, and will be loaded again.
        """
        generation, module = self
        return generation.published and module is not None and module not in generation.modules

    def used_in(self) -> Generation | None:
        """Return the older generation whose request runs this code, if it shares the module."""
        generation, module = self
        inside = entered_generation()
        if inside is None or inside is generation or module not in generation.shared:
            return None
        return inside if inside.modules.get(module) is generation.modules[module] else None


def maker(*through: str) -> Maker | None:
    """Return the user code that has called the module that asks this, or None if that was other code.

    Only the nearest code counts. What a library makes while user code calls it is the library's: it may be the one
    that serves everybody, made by whoever came first.

    Args:
        through: Modules and packages that only hand on what they were asked for:  "logging"
    """
    asking = sys._getframe(1).f_globals
    for frame in callers():
        names = frame.f_globals
        if MARK in names:
            return None if is_for_process() else maker_in(names)
        name = names.get("__name__")
        if names is not asking and not (isinstance(name, str) and is_named_by(name, through)):
            return None
    return None


def maker_of(call: Any) -> Maker | None:
    """Return the user code that runs when *call* is called, or None if that is other code or nothing can be called."""
    names = names_of(call)
    return None if names is None else maker_in(names)


def maker_in(names: dict[str, Any]) -> Maker:
    """Return the user code that has these globals, and note that it has something registered."""
    return Maker(bind(names) or names[MARK], str(names.get("__name__")))


def rows(table: weakref.WeakKeyDictionary[K, T]) -> list[tuple[K, T]]:
    """Return what is in a table that other threads may change meanwhile; its values are never None."""
    keys = [key for reference in table.keyrefs() if (key := reference()) is not None]
    return [(key, value) for key in keys if (value := table.get(key)) is not None]


class Belongings(Generic[T]):
    """Things of one kind that each generation has made. It keeps neither these nor the generations in memory.

    Threads: ``lock`` protects the tables. Nothing else is waited for while it is held, and nobody's code runs. It is
    re-entrant, because a signal handler may make such a thing on the main thread at any moment.
    """

    lock = threading.RLock()

    def __init__(self) -> None:
        # generation -> id of a thing -> the thing, and the module that has made it
        self._made: weakref.WeakKeyDictionary[Generation, dict[int, tuple[Callable[[], T | None], str | None]]]
        self._made = weakref.WeakKeyDictionary()

    def add(self, by: Maker, thing: T) -> None:
        """Note who has made a thing."""
        with self.lock:
            made = self._made.get(by.generation)
            if made is None:
                made = self._made[by.generation] = {}
        key = id(thing)
        # Called by the collector, at any moment: it takes no lock.
        made[key] = weakref.ref(thing, lambda _: made.pop(key, None) and None), by.module

    def of(self, generation: Generation) -> list[T]:
        """Return what *generation* has made and is still there."""
        with self.lock:
            made = dict(self._made.get(generation, ()))
        found = [(reference(), module) for reference, module in made.values()]
        return [each for each, module in found if each is not None and not Maker(generation, module).is_of_process]

    def newer_than(self, number: int) -> list[T]:
        """Return what generations after *number* have made and is still there."""
        return [thing for each in self._generations() if each.number > number for thing in self.of(each)]

    def not_of(self, generation: Generation | None) -> list[T]:
        """Return what all generations but one have made and is still there."""
        return [thing for each in self._generations() if each is not generation for thing in self.of(each)]

    def _generations(self) -> list[Generation]:
        with self.lock:
            return list(self._made)

    def forget_all(self) -> None:
        """Forget what there is: in a forked process it is not here."""
        with self.lock:
            self._made.clear()
