"""Signals: the handlers that a generation's code has set, and those from before."""

from __future__ import annotations

import functools
import signal
import threading
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from ponyreload.generations.context import entered_generation, is_for_process
from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import owner_of
from ponyreload.interpreter.mainthread import MainThread
from ponyreload.interpreter.patches import Patches
from ponyreload.ownership.makers import Maker, maker, maker_of

__all__ = ["Signals"]

# What Python itself begins with, where that is not the system's default.
FIRST = {"SIGINT": signal.default_int_handler, "SIGPIPE": signal.SIG_IGN, "SIGXFSZ": signal.SIG_IGN}


class Setting(NamedTuple):
    """A handler that a generation has set, and the one from before the generations."""

    generation: Generation
    handler: Any
    before: Any


class Wish(NamedTuple):
    """A handler that code of a load has set, for when that is published; *by* is None if a library asked for it."""

    handler: Any
    by: Maker | None


class Signals:
    """Wraps `signal.signal` and `signal.getsignal`: each load sees the handlers from before the generations.

    Only the main thread may set a handler, so what a load sets, in its own thread, is set there once the load is
    published. All that happens to `_set` happens on the main thread, so it needs no lock.
    """

    def __init__(self, patches: Patches, main_thread: MainThread) -> None:
        self._main_thread = main_thread
        # What generations have set:  10 -> Setting(<generation 3>, <function on_usr1>, SIG_DFL)
        self._set: dict[int, Setting] = {}
        # What loads have set so far:  <generation 4> -> {10: Wish(<function on_usr1>, True)}
        self._wishes: WeakKeyDictionary[Generation, dict[int, Wish]] = WeakKeyDictionary()
        # Handlers that stood when autoreload was turned on, until the first load begins.
        self._early: dict[int, Any] = {}
        self._patches = patches

    def install(self) -> None:
        """Wrap the two, if the main thread can be reached. The handlers stay when this is undone."""
        if self._main_thread.is_installed:
            self._early = {int(number): _plain_get(number) for number in signal.valid_signals()}
            self._patches.put(signal, "signal", self._signal)
            self._patches.put(signal, "getsignal", self._getsignal)

    def begin(self) -> None:
        """Note what generation 1 had set before autoreload was turned on; what was there before that, nobody knows."""
        early, self._early = self._early, {}
        for number, handler in early.items():
            owner = owner_of(handler)
            if owner is not None:
                name = signal.Signals(number).name if number in set(signal.Signals) else ""
                setting = Setting(owner, handler, FIRST.get(name, signal.SIG_DFL))
                self._main_thread.carry_out([functools.partial(self._set.setdefault, number, setting)])

    def published(self, generation: Generation) -> None:
        """Set what *generation* has asked for; for what only older ones had set, have the handlers from before back."""
        wishes = self._wishes.pop(generation, {})
        if wishes or self._set:
            self._main_thread.carry_out([functools.partial(self._settle, generation, wishes)])

    def retire(self, generation: Generation) -> None:
        """Drop what *generation* wished for; give back what it has set since a newer one was published."""
        self._wishes.pop(generation, None)
        if any(setting.generation is generation for setting in list(self._set.values())):
            self._main_thread.carry_out([functools.partial(self._give_back, generation)])

    # -- on the main thread ----------------------------------------------------------------------------------

    def _settle(self, generation: Generation, wishes: dict[int, Wish]) -> None:
        for number, setting in list(self._set.items()):
            if number not in wishes and setting.generation is not generation:
                self._restore(number, setting)
        for number, wish in wishes.items():
            if wish.by is not None and not wish.by.is_of_process:
                self._put(generation, number, wish.handler)
            else:
                _plain_set(number, wish.handler)

    def _give_back(self, generation: Generation) -> None:
        for number, setting in list(self._set.items()):
            if setting.generation is generation:
                self._restore(number, setting)

    def _restore(self, number: int, setting: Setting) -> None:
        if _plain_get(number) is setting.handler:
            _plain_set(number, setting.before)
        del self._set[number]

    def _put(self, generation: Generation, number: int, handler: Any) -> None:
        """Set a handler that a load wished for, unless somebody else has set one since the generation before did.

        That is most likely the server, which would do so here too.
        """
        setting = self._set.get(number)
        if setting is not None and _plain_get(number) is not setting.handler:
            self._set[number] = Setting(generation, handler, setting.before)
        else:
            self._put_now(generation, number, handler)

    def _put_now(self, generation: Generation, number: int, handler: Any) -> None:
        setting, current = self._set.get(number), _plain_get(number)
        before = setting.before if setting is not None and setting.handler is current else current
        _plain_set(number, handler)
        self._set[number] = Setting(generation, _plain_get(number), before)
        if self._set[number].handler is before:
            del self._set[number]

    # -- what user code calls --------------------------------------------------------------------------------

    def _signal(self, signalnum: int, handler: Any) -> Any:
        """What `signal.signal` is while autoreload is on."""
        by = None if is_for_process() else maker() or maker_of(handler)
        if threading.current_thread() is threading.main_thread():
            if by is None or by.is_of_process:
                return _plain_set(signalnum, handler)
            before = self._seen_by(by.generation, signalnum)
            self._put_now(by.generation, int(signalnum), handler)
            return before
        generation = entered_generation()
        if generation is None or generation.load is None:
            return _plain_set(signalnum, handler)  # which raises what it does in every thread but the main one
        before = self._seen_by(generation, signalnum)  # raises ValueError for what is no signal
        if not callable(handler) and handler not in (signal.SIG_DFL, signal.SIG_IGN):
            raise TypeError("signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable object")
        if generation.published:
            put = _plain_set if by is None else functools.partial(self._put_now, by.generation)
            self._main_thread.carry_out([functools.partial(put, int(signalnum), handler)])
        elif not generation.abandoned:
            wishes = self._wishes.setdefault(generation, {})
            wishes[int(signalnum)] = Wish(handler, by)
        return before

    def _getsignal(self, signalnum: int) -> Any:
        """What `signal.getsignal` is while autoreload is on."""
        by = maker()
        return _plain_get(signalnum) if by is None else self._seen_by(by.generation, signalnum)

    def _seen_by(self, generation: Generation, signalnum: int) -> Any:
        """Return the handler that there would be if there had been no other generation."""
        current = _plain_get(signalnum)
        wish = self._wishes.get(generation, {}).get(int(signalnum))
        if wish is not None:
            return signal.Handlers(wish.handler) if isinstance(wish.handler, int) else wish.handler
        setting = self._set.get(int(signalnum))
        if setting is not None and setting.generation is not generation and setting.handler is current:
            return setting.before
        return current


_plain_set, _plain_get = signal.signal, signal.getsignal
