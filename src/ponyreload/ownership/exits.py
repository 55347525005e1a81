"""Exits: what a generation's code has left to be called at its end, by `atexit` and `weakref.finalize`."""

from __future__ import annotations

import atexit
import functools
import logging
from collections.abc import Callable
from contextlib import suppress
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from ponyreload.generations.context import entered, is_for_process
from ponyreload.generations.failures import load_error
from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import bound_to, owner_of
from ponyreload.interpreter.patches import Patches
from ponyreload.interpreter.private import callback_of, exit_registry, finalizers
from ponyreload.lifecycle.keeping import is_kept
from ponyreload.ownership.leftovers import is_of_server
from ponyreload.ownership.makers import Maker, maker, maker_of, rows
from ponyreload.ownership.shared import is_shared
from ponyreload.reporting import say

__all__ = ["Exit", "Exits", "registered", "run_finalizers"]

FUNCTIONS = (BuiltinFunctionType, FunctionType, type)
TAKES_MORE = 0x04 | 0x08  # the flags of code with *args and **kwargs, as `inspect` has them


class Exit:
    """A function that is called once: by `atexit`, which holds this, or before that by its generation's retirement."""

    def __init__(self, by: Maker, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._call = functools.partial(function, *args, **kwargs)
        self._calls = [self._call]
        self.by: Maker | None = by
        self.function = function

    def __call__(self) -> None:
        try:
            call = self._calls.pop()  # atomic: whoever comes first
        except IndexError:
            return
        with entered(None if self.by is None else self.by.generation):
            call()

    def drop(self) -> None:
        """Have it never called."""
        self._calls.clear()

    def works_on_process(self) -> bool:
        """Tell whether a library's function is to be called that has nothing of a generation to work on."""
        if owner_of(self.function) is not None:
            return False
        function: Any = self._call.func
        given = [*self._call.args, *self._call.keywords.values()]
        while issubclass(type(function), functools.partial):  # of a subclass; others were merged into ours
            given += [*function.args, *function.keywords.values()]
            function = function.func
        carrier = bound_to(function)
        thing = function if carrier is None else carrier
        if is_of_server(thing):
            return True  # it must not end because a generation retires
        if issubclass(type(function), FUNCTIONS) and (carrier is None or issubclass(type(carrier), ModuleType)):
            return not given
        # To a method, a switch or a time says how, and not with what: ``executor.shutdown, wait=False``
        return all(each is None or type(each) in (bool, int, float) for each in given) and is_shared(thing)


class Exits:
    """Takes what user code registers with `atexit`, and calls it when its generation retires."""

    def __init__(self, patches: Patches) -> None:
        # In the order of registration; only ever appended to, and popped from the end.
        self._exits: WeakKeyDictionary[Generation, list[Exit]] = WeakKeyDictionary()
        self._patches = patches

    def install(self) -> None:
        """Wrap `atexit.register` and `atexit.unregister`.

        What has been registered by the time that this is undone is called when the process ends.
        """
        self._patches.put(atexit, "register", self._register)
        self._patches.put(atexit, "unregister", self._unregister)

    def _register(self, func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        """What `atexit.register` is while autoreload is on."""
        by = None if is_for_process() or not callable(func) else maker_of(func) or maker()
        if by is None:
            _plain_register(func, *args, **kwargs)
        else:
            last = Exit(by, func, args, kwargs)
            self._exits.setdefault(by.generation, []).append(last)
            _plain_register(last)
        return func

    def _unregister(self, func: Callable[..., Any], /) -> None:
        """What `atexit.unregister` is while autoreload is on. User code takes back its own generation's."""
        by = maker()
        for owner, exits in rows(self._exits):
            if by is None or by.generation is owner:
                for each in list(exits):
                    if each.function == func:
                        each.drop()  # also if it has just been taken out to be called
                        _plain_unregister(each)
                        with suppress(ValueError):
                            exits.remove(each)
        _plain_unregister(func)

    def run(self, generation: Generation) -> None:
        """Call what *generation* has registered, newest first.

        What works on the process is not called: the newer generation has registered that again if it wants it.
        """
        exits = self._exits.setdefault(generation, [])
        while exits:  # also what these functions register themselves
            newest = exits.pop()
            if newest.by is None or newest.by.is_of_process:
                newest.by = None  # it stays with `atexit`, and keeps nothing of the generation
                continue
            _plain_unregister(newest)
            if not newest.works_on_process():
                _call(newest, newest.function, generation)
        for function in reversed(registered()):
            # Registered before this was installed, or past it. With what arguments cannot be known, so one that may
            # take some waits for the process to end.
            if type(function) is not Exit and owner_of(function) is generation and _takes_nothing(function):
                _plain_unregister(function)
                _call(function, function, generation)


def run_finalizers(generation: Generation) -> None:
    """Call, newest first, the finalizers that run code of *generation* and whose object is still there.

    They would keep the generation for as long as that object. What `keep` holds is not at its end yet. Those that are
    not to run at the end of a process (``atexit = False``) are taken away.
    """
    for finalizer in reversed(finalizers()):
        found = finalizer.peek()
        if found is None or owner_of(found[1]) is not generation or is_kept(found[0]):
            continue
        del found
        if finalizer.atexit:
            _call(finalizer, finalizer, generation)
        else:
            finalizer.detach()
    registry = exit_registry()
    for key in sorted(registry, key=lambda key: (key[0] or 0, key[1]), reverse=True):
        each = registry.get(key)
        if each is not None and owner_of(callback_of(each)) is generation:
            if key[0] is None:
                each.cancel()
            else:
                _call(each, callback_of(each), generation)


def _call(call: Callable[[], object], named: object, generation: Generation) -> None:
    """Call a function of a generation that retires; report its failure alone."""
    try:
        with entered(generation):
            call()
    except BaseException as error:  # SystemExit ends nothing here, as at the end of a process
        report = load_error(generation, generation.number, error)
        name = getattr(named, "__qualname__", type(named).__name__)
        text = f"exit function {name} of generation {generation.number} failed; the others still run"
        say(f"{text}:\n{report.details}", logging.ERROR)


def registered() -> list[Any]:
    """Return the functions that `atexit` holds, in the order of registration.

    There is no public way to list them. But `atexit.unregister` compares each with what it is given, and an object
    may compare as it likes: this one is equal to none, and remembers them all.
    """
    found: list[Any] = []

    class Probe:
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            found.append(other)
            return False

    try:
        _plain_unregister(Probe())  # type: ignore[arg-type]
    except Exception:
        found.clear()  # one of them has a comparison of its own, which fails
    return found


def _takes_nothing(function: Any) -> bool:
    """Tell whether a user function takes no arguments at all, so that it was registered with none."""
    bound = 0
    if type(function) is MethodType:
        function, bound = function.__func__, 1
    code = getattr(function, "__code__", None)
    if type(function) is not FunctionType or code is None:
        return False
    return code.co_argcount == bound and not code.co_kwonlyargcount and not code.co_flags & TAKES_MORE


_plain_register, _plain_unregister = atexit.register, atexit.unregister
