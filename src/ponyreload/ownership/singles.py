"""Singles: functions that exist once in a process and that code may replace, such as `sys.excepthook`."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from ponyreload.generations.context import bind
from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import names_of, owner_of

__all__ = ["PLACES", "Single"]

# For each: what gets it, what sets it, and Python's own function.
PLACES: tuple[tuple[Callable[[], Any], Callable[[Any], None], Callable[..., Any]], ...] = (
    (partial(getattr, sys, "excepthook"), partial(setattr, sys, "excepthook"), sys.__excepthook__),
    (partial(getattr, sys, "unraisablehook"), partial(setattr, sys, "unraisablehook"), sys.__unraisablehook__),
    (partial(getattr, threading, "excepthook"), partial(setattr, threading, "excepthook"), threading.__excepthook__),
    (logging.getLogRecordFactory, logging.setLogRecordFactory, logging.LogRecord),
)


class Single:
    """One such function. It is compared before and after each load, as Python has no hook for its replacement.

    A stand-in takes the place of a generation's function, and calls that. Such a function often calls the one that it
    replaces. In the next generation, that is the stand-in, which then calls the function from before the generations,
    and none of an older generation. Threads keep the function that they find, too.

    Args:
        get: Returns the function.
        put: Replaces it.
        first: Python's own function.
    """

    def __init__(self, get: Callable[[], Any], put: Callable[[Any], None], first: Callable[..., Any]) -> None:
        self._get = get
        self._set = put
        self._first = first
        # The function from before the generations, and the one from before the load.
        self._base: Any = None
        self._before: Any = None

    def install(self) -> None:
        """Record the function from before the generations."""
        self._base = self._get()

    def stand_in(self) -> None:
        """Put a stand-in in the place of what generation 1 has set by now."""
        now = self._get()
        if owner_of(self._base) is not None:
            self._base = self._first  # it is generation 1's, from before autoreload was on
        if owner_of(now) is not None:
            bind(names_of(now))  # it may have been set in a request
            self._set(StandIn(self._base, now))
        elif type(now) is not StandIn:
            self._base = now

    def begin(self) -> None:
        """Record the function from before a load."""
        self.stand_in()
        self._before = self._get()

    def published(self, generation: Generation) -> None:
        """Use the function of *generation*; if it has set none, the one from before the generations."""
        before, self._before, now = self._before, None, self._get()
        if type(before) is StandIn:
            before.function = None  # also where a library's function has come in between, which may call it
        if type(now) is StandIn or owner_of(now) not in (None, generation):
            self._set(self._base)
        self.stand_in()

    def fail(self, generation: Generation) -> None:
        """Restore the function from before the load."""
        before, self._before = self._before, None
        if owner_of(self._get()) is generation:
            self._set(before)

    def retire(self, generation: Generation) -> None:
        """Drop what *generation* has set since a newer one was published."""
        if owner_of(self._get()) is generation:
            self._set(self._base)


class StandIn:
    """Calls a generation's function; within that function, and once it is dropped, *base*."""

    def __init__(self, base: Callable[..., Any], function: Callable[..., Any]) -> None:
        self.base = base
        self.function: Callable[..., Any] | None = function
        self._here = threading.local()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        function = self.function
        if function is None or getattr(self._here, "is_busy", False):
            return self.base(*args, **kwargs)
        self._here.is_busy = True
        try:
            return function(*args, **kwargs)
        finally:
            self._here.is_busy = False
