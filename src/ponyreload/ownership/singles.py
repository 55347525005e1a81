"""Singles: functions that the process has one of, and that code replaces by its own, as `sys.excepthook`."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import owner_of

__all__ = ["PLACES", "Single"]

# What gets and sets each, and what Python itself begins with.
PLACES: tuple[tuple[Callable[[], Any], Callable[[Any], None], Callable[..., Any]], ...] = (
    (partial(getattr, sys, "excepthook"), partial(setattr, sys, "excepthook"), sys.__excepthook__),
    (partial(getattr, sys, "unraisablehook"), partial(setattr, sys, "unraisablehook"), sys.__unraisablehook__),
    (partial(getattr, threading, "excepthook"), partial(setattr, threading, "excepthook"), threading.__excepthook__),
    (logging.getLogRecordFactory, logging.setLogRecordFactory, logging.LogRecord),
)


class Single:
    """One of them. A stand-in takes the place of a generation's own, and calls that.

    It is a plain attribute, so there is no other way to hear of a change than to compare before and after each load.

    Such a function often calls the one that it has found. That of the next generation finds the stand-in, and so
    calls the one from before the generations, and none of an older generation. Threads, too, keep what they find.

    Args:
        get: Returns it.
        put: Puts another one in its place.
        first: What Python itself begins with.
    """

    def __init__(self, get: Callable[[], Any], put: Callable[[Any], None], first: Callable[..., Any]) -> None:
        self._get = get
        self._set = put
        self._first = first
        # The one from before the generations, and the one from before the load.
        self._base: Any = None
        self._before: Any = None

    def install(self) -> None:
        """Note what is there before the generations."""
        self._base = self._get()

    def stand_in(self) -> None:
        """Have a stand-in take the place of what generation 1 has set by now."""
        now = self._get()
        if owner_of(self._base) is not None:
            self._base = self._first  # it is generation 1's, from before autoreload was on
        if owner_of(now) is not None:
            self._set(StandIn(self._base, now))
        elif not isinstance(now, StandIn):
            self._base = now

    def begin(self) -> None:
        """Note what is there before a load."""
        self.stand_in()
        self._before = self._get()

    def published(self, generation: Generation) -> None:
        """Have that of *generation* count; if it has set none, that from before the generations."""
        before, self._before, now = self._before, None, self._get()
        if isinstance(before, StandIn):
            before.function = None  # also where a library's function has come in between, which may call it
        if isinstance(now, StandIn) or owner_of(now) not in (None, generation):
            self._set(self._base)
        self.stand_in()

    def fail(self, generation: Generation) -> None:
        """Have back what was there before the load."""
        before, self._before = self._before, None
        if owner_of(self._get()) is generation:
            self._set(before)

    def retire(self, generation: Generation) -> None:
        """Drop what *generation* has set since a newer one was published."""
        if owner_of(self._get()) is generation:
            self._set(self._base)


class StandIn:
    """Calls a generation's function; within that, and when there is none any more, *base*."""

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
