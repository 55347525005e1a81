"""Hooks: what user code learns of its end: functions to call at a reload or a retirement, and `superseded`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from ponyreload.generations.context import active, bind, entered, is_on, published

if TYPE_CHECKING:
    from ponyreload.generations.generation import Generation

__all__ = ["call_reload_hooks", "call_retire_hooks", "on_reload", "on_retire", "superseded"]

F = TypeVar("F", bound=Callable[[], object])


def on_reload(function: F) -> F:
    """Call *function*, without arguments, when a reload begins; usable as a decorator.

    It is called once for each load, in the loading thread, after the changed files are compiled and before the new
    modules run. If the load fails, or newer contents overtake it, it is called again for the next one. What a user
    module registers belongs to its generation and goes with it; what a system module registers stays. An exception in
    one function is reported, and the others still run.

    Raises:
        TypeError: *function* cannot be called.
    """
    _register("on_reload", function, sys._getframe(1).f_globals)
    return function


def on_retire(function: F) -> F:
    """Call *function*, without arguments, when the generation that registers it retires.

    That is when a newer generation serves and the last request of this one has ended, when the load that runs the
    registering module fails, and when the process ends. Use it to close what a module has opened. Each function is
    called once, the last registered first, in a thread of the retirement; the lines that follow the server's start in
    a main script run after them. An exception in one function is reported, and the others still run. What a system
    module registers is called at each retirement. Usable as a decorator, and on `pool.close`.

    Raises:
        TypeError: *function* cannot be called.
    """
    _register("on_retire", function, sys._getframe(1).f_globals)
    return function


def superseded(timeout: float = 0.0) -> bool:
    """Tell whether the generation that the calling code runs in is no longer the newest.

    Args:
        timeout: Wait up to so many seconds for that to happen.

    A stream, or a thread that a user module started, asks this to end in good time. It is true as well when the load
    of that generation has failed, and when the process ends; never while autoreload is off. Safe to call from any
    thread.
    """
    until = time.monotonic() + timeout
    # A thread that is started before autoreload is turned on is one of generation 1 afterwards.
    generation = active() or (active() if is_on.wait(timeout) else None)
    return generation is not None and generation.superseded.wait(max(0.0, until - time.monotonic()))


def call_reload_hooks(serving: Generation) -> None:
    """Call the `on_reload` functions of system modules and of the generation that serves, in order of registration."""
    _sort_out(serving)
    hooks = [each for owner in (None, serving) for each in _rest["on_reload"].copy() if each.owner is owner]
    _call([*hooks, *serving.hooks.get("on_reload", ())], serving, "on_reload", "the reload continues")


def call_retire_hooks(generation: Generation) -> None:
    """Call the `on_retire` functions of *generation*, and of system modules; the last that was registered first.

    At the end of the process this is called more than once. Each function is called once for a generation.
    """
    for each in (generation, published()):
        _sort_out(each)
    hooks = [] if generation.has_called_hooks else [each for each in _rest["on_retire"].copy() if each.owner is None]
    generation.has_called_hooks = True
    # Taken out one by one: another thread may be taking them too, and what is registered meanwhile is called as well.
    for kind, rest in _rest.items():
        for hook in rest.copy():
            if hook.owner is generation:
                with suppress(ValueError):
                    rest.remove(hook)
                    hooks += [hook] if kind == "on_retire" else []
    own = generation.hooks.get("on_retire", [])
    with suppress(IndexError):
        while True:
            hooks.append(own.pop(0))
    _call(hooks[::-1], generation, "on_retire", f"generation {generation.number} still retires")


class Hook:
    """A function that was registered. Two are equal only if they are the same.

    Attributes:
        function: The function.
        code: The globals of the code that it runs, and of the code that registered it.
    """

    __slots__ = ("code", "function")

    def __init__(self, function: Callable[[], object], code: tuple[dict[str, Any], ...]) -> None:
        self.function = function
        self.code = code

    @property
    def owner(self) -> Generation | None:
        """The generation that it belongs to; None for a system module's."""
        # A method of a library's object is no user code, but the module that registers it may be. What counts was
        # noted then: user code may have given the object a callback since.
        from ponyreload.generations.owners import owner_in  # here: every user module imports this module

        return owner_in(self.code)


# The hooks that belonged to no generation when they were registered, in that order:  "on_reload" -> [<Hook>]. User
# modules register before autoreload is on; later, the mark in their namespaces tells these from system modules' hooks.
#
# Threads: any may register at any moment, also a signal handler in the midst of this code. So each list stays the
# same object, and is only changed by one call of a method of `list`, for which Python takes the lock of the list (with
# a GIL, that is the lock). No lock of ours is held while functions are compared, which may be code of the application,
# and there is none to be found held in a forked process.
_rest: dict[str, list[Hook]] = {"on_reload": [], "on_retire": []}


def _register(kind: str, function: Callable[[], object], namespace: dict[str, Any]) -> None:
    """Register a function for the generation of its code, or else of the code that registers it."""
    from ponyreload.generations.owners import namespaces_of  # here: as above

    if not callable(function):
        raise TypeError(f"{kind} takes a function without parameters, not {function!r}")
    hook = Hook(function, (*namespaces_of(function, carried=True), namespace))
    for names in hook.code:
        bind(names)
    owner = hook.owner
    hooks = _rest[kind] if owner is None else owner.hooks.setdefault(kind, [])
    # Each counts once. Of two threads that register equal ones, both have theirs in the list before they compare, so
    # only the second one takes its own out.
    hooks.append(hook)
    for each in [*_rest[kind], *hooks]:
        if each is hook:
            break
        if each.owner is owner and each.function == function:
            hooks.remove(hook)
            break


def _sort_out(generation: Generation | None) -> None:
    """Make the process's what a module registered in a load and then turned out to be a system module."""
    for kind, hooks in () if generation is None else list(generation.hooks.items()):
        for hook in hooks.copy():
            if hook.owner is None:
                # There first, gone here second: who goes through both lists meanwhile may find it twice, but never
                # misses it.
                _rest[kind].append(hook)
                with suppress(ValueError):
                    hooks.remove(hook)


def _call(hooks: Iterable[Hook], generation: Generation, kind: str, outcome: str) -> None:
    # Nothing ends because a generation retires. But a load that is given up is to end, also in a hook.
    errors = Exception if kind == "on_reload" else BaseException
    with entered(generation):
        for hook in dict.fromkeys(hooks):
            try:
                hook.function()
            except errors as error:
                import logging  # here, as the two below: every user module imports this module

                from ponyreload.generations.failures import load_error
                from ponyreload.reporting import say

                report = load_error(generation, generation.number, error)
                name = getattr(hook.function, "__qualname__", repr(hook.function))
                say(f"{kind} function {name} failed; {outcome}:\n{report.details}", logging.ERROR)
