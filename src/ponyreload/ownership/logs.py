"""Logging: handlers and filters, of which each generation has those that its code has put in."""

from __future__ import annotations

import functools
import logging
import os
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ponyreload.generations.context import entered, published
from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import owner_of
from ponyreload.imports.loaders import AfterImport
from ponyreload.imports.names import MAIN
from ponyreload.interpreter.patches import Patches
from ponyreload.interpreter.private import CLOSE_HANDLERS, closer_of_handlers, logging_lock
from ponyreload.ownership.levels import ATTRIBUTES, Levels
from ponyreload.ownership.makers import maker
from ponyreload.ownership.views import THROUGH, View
from ponyreload.reporting import say

__all__ = ["Logs"]

# The methods that change lists, and these lists.
METHODS = (
    (logging.Logger, "addHandler", "handlers"),
    (logging.Logger, "removeHandler", "handlers"),
    (logging.Filterer, "addFilter", "filters"),
    (logging.Filterer, "removeFilter", "filters"),
)
# What tells where a handler writes to.
AIMS = ("baseFilename", "host", "port", "address", "url", "target")


class Logs:
    """Gives a logger a view in place of its list of handlers, once a generation changes that; and so for filters.

    There is no public way to hear of that, so the methods of `logging` that do it are wrapped, and `__setattr__` of
    loggers for what is assigned. Loggers that no generation has touched cost what they always do.

    Threads: views are made under the lock of `logging` itself, as it changes its lists.
    """

    def __init__(self, patches: Patches) -> None:
        self._levels = Levels()
        # id of a view -> what has it, the name that it has there, and the view
        self._views: dict[int, tuple[weakref.ref[Any], str, View]] = {}
        self._over: weakref.WeakSet[Generation] = weakref.WeakSet()
        self._patches = patches
        # Handlers from before autoreload was on, and the generation whose code may have put them in.
        self._early: weakref.WeakValueDictionary[int, logging.Handler] = weakref.WeakValueDictionary()
        self._first: Generation | None = None

    def install(self, after_import: AfterImport) -> None:
        """Wrap what changes loggers."""
        self._first = published()
        for logger in _loggers():
            self._early.update({id(handler): handler for handler in logger.handlers})
        for kind, name, attribute in METHODS:
            self._patches.put(kind, name, self._changer(vars(kind)[name], attribute))
        self._patches.put(logging.Logger, "__setattr__", self._setter(logging.Logger.__setattr__))
        self._patches.put(logging, "basicConfig", self._basic_config(logging.basicConfig))
        after_import.call("logging.config", self._wrap_config)

    def uninstall(self) -> None:
        """Leave to each logger what the generation that serves sees."""
        serving = published()
        for holder, name, view in self._all_views():
            vars(holder)[name] = view.shared() if serving is None else view.own.get(serving, view.shared())

    # -- what is called in place of what `logging` has -------------------------------------------------------

    def _changer(self, plain: Callable[..., Any], attribute: str) -> Callable[..., Any]:
        @functools.wraps(plain)
        def change(holder: Any, thing: Any) -> Any:
            by = maker(*THROUGH)
            if by is not None:
                view = self._view(holder, attribute)
                if plain.__name__ == "addHandler" and by.generation.load is not None:
                    self._claim(view, _aim(thing))
            elif isinstance(view := vars(holder).get(attribute), View):
                # The plain method looks first whether it is there, and would see the list of what serves only.
                with logging_lock():
                    (view.put if plain.__name__.startswith("add") else view.drop)(thing)
                return None
            return plain(holder, thing)

        return change

    def _setter(self, plain: Callable[[Any, str, Any], None]) -> Callable[[Any, str, Any], None]:
        def __setattr__(logger: logging.Logger, name: str, value: Any) -> None:  # noqa: N807 - it becomes a class's
            there = vars(logger).get(name)
            if there is not None and (name in ATTRIBUTES or name in ("handlers", "filters")):
                by = maker(*THROUGH)
                if name in ATTRIBUTES:
                    by_config = sys._getframe(1).f_globals.get("__name__") == "logging.config"
                    if by is not None and not self._levels.set(by, logger, name, value, by_config):
                        return
                elif value is there:
                    return  # it was changed in place
                elif by is not None:
                    self._view(logger, name).assign(by, value)
                    return
                elif isinstance(there, View):
                    there.replace(value)
                    return
            plain(logger, name, value)

        return __setattr__

    def _basic_config(self, plain: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(plain)
        def basicConfig(**kwargs: Any) -> None:  # noqa: N802 - it stands for that
            by = maker(*THROUGH)
            # If something else than user code has started the process, that may have put in what is there, and made
            # the first call have no effect.
            if by is not None and by.generation.load is not None and self._first and MAIN in self._first.modules:
                # What it would put in shows what the first script has put in.
                handlers = kwargs.get("handlers")
                if handlers is None:
                    file = kwargs.get("filename")
                    kind = logging.FileHandler if file else logging.StreamHandler
                    aim = os.path.abspath(os.fspath(file)) if file else kwargs.get("stream") or sys.stderr
                    aims: list[tuple[type, object]] = [(kind, aim)]
                else:
                    kwargs["handlers"] = handlers = list(handlers)
                    aims = [_aim(each) for each in handlers]
                view = self._view(logging.root, "handlers")
                for each in aims:
                    self._claim(view, each)
            plain(**kwargs)

        return basicConfig

    def _wrap_config(self) -> None:
        """Have `dictConfig` and `fileConfig` of a load close its own handlers only, and not all of the process."""
        plain = closer_of_handlers()

        def close_handlers() -> None:
            by = maker(*THROUGH)
            if by is None or by.generation.load is None:
                plain()
            else:
                self.close(self._only_of(by.generation), by.generation)

        if plain is not None:
            self._patches.put(sys.modules["logging.config"], CLOSE_HANDLERS, close_handlers)

    # -- generations -----------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Get ready for a load, which may change a list in place. What there is is the process's or generation 1's."""
        self._levels.begin()
        for logger in _loggers():
            if logger.handlers and type(logger.handlers) is list:
                view = self._view(logger, "handlers")
                for handler in view.shared():
                    owner = owner_of(handler)
                    if owner is not None and id(handler) in self._early:
                        view.give(owner, handler)

    def published(self, generation: Generation) -> None:
        """Have the levels be what *generation* says, and the process's what is its."""
        self._levels.published(generation)
        for _, _, view in self._all_views():
            view.settle(generation)

    def fail(self, generation: Generation) -> None:
        """Undo the levels that a load has set which failed."""
        self._levels.retire(generation)

    def retire(self, generation: Generation) -> list[Any]:
        """Take away the handlers and filters of *generation*, undo its levels; return what is to be closed."""
        self._levels.retire(generation)
        for _, _, view in self._all_views():
            view.settle(generation)
        handlers = self._only_of(generation)
        self._over.add(generation)
        for _, name, view in self._all_views():
            view.forget(generation)
            for thing in view.shared():
                if owner_of(thing) is generation:
                    list.remove(view, thing)
                    handlers += [thing] if name == "handlers" else []
        if self._first is generation:
            self._first = None
        return handlers

    def _only_of(self, generation: Generation) -> list[Any]:
        """Return the handlers that are there for *generation*, and for nobody else."""
        mine: list[Any] = []
        others: list[Any] = []
        for _, name, view in self._all_views():
            if name == "handlers":
                mine += view.own.get(generation, ())
                others += view.shared()
                for other, several in list(view.own.items()):
                    others += several if other is not generation else ()
        ids = set(map(id, others))
        return list({id(each): each for each in mine if id(each) not in ids}.values())

    def close(self, handlers: Iterable[Any], generation: Generation) -> None:
        """Close handlers as `logging.shutdown` does; report the failure of one alone."""
        for handler in reversed(list(handlers)):
            try:
                with entered(generation):
                    handler.acquire()
                    try:
                        handler.flush()
                    finally:
                        handler.release()
                    handler.close()
            except Exception as error:
                text = f"a logging handler of generation {generation.number} failed to close"
                say(f"{text}: {type(error).__name__}: {error}", logging.ERROR)

    # -- views -----------------------------------------------------------------------------------------------

    def _view(self, holder: Any, name: str) -> View:
        """Return the view that *holder* has as its attribute *name*; put it there if there is none yet."""
        with logging_lock():
            there = getattr(holder, name)
            if isinstance(there, View):
                return there
            view = View(there, self._over.__contains__)
            vars(holder)[name] = view
            key = id(view)
            self._views[key] = weakref.ref(holder, lambda _: self._views.pop(key, None) and None), name, view
            return view

    def _all_views(self) -> list[tuple[Any, str, View]]:
        found = [(reference(), name, view) for reference, name, view in list(self._views.values())]
        return [each for each in found if each[0] is not None]

    def _claim(self, view: View, aim: tuple[type, object]) -> None:
        """Take for the first generation's what was there before autoreload was on, if a load puts in its like.

        Nobody knows which code had put it in. But what a load does, the first generation's code most likely did, and
        that ran after all others; unless it has done so since autoreload is on, which is known.
        """
        first = self._first
        if first is None or aim in map(_aim, set(view.own.get(first, ())).difference(view.shared())):
            return
        for handler in reversed(view.shared()):
            if id(handler) in self._early and _aim(handler) == aim:
                del self._early[id(handler)]
                view.give(first, handler)
                return


def _loggers() -> Iterator[logging.Logger]:
    yield logging.root
    for logger in list(logging.root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            yield logger


def _aim(handler: Any) -> tuple[type, object]:
    """Return what tells a handler's like: its class, and where it writes to."""
    aims = [getattr(handler, name) for name in AIMS if hasattr(handler, name)]
    return type(handler), aims[0] if aims else getattr(handler, "stream", None)
