"""Hooks: functions of the user's that are called when a reload fires, and when a generation retires."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ponyreload.generations.context import MARK, bind, entered
from ponyreload.generations.owners import owner_of

if TYPE_CHECKING:
    from ponyreload.generations.generation import Generation

__all__ = ["call_reload_hooks", "call_retire_hooks", "on_reload", "on_retire"]

F = TypeVar("F", bound=Callable[[], object])


def on_reload(function: F) -> F:
    """Have *function* called, without arguments, when a reload fires; usable as a decorator.

    It is called once for each load, in the thread that loads, after the changed files compiled and before the new
    modules run; so again if the load fails, or newer contents overtake it, and another follows. What a user module
    registers belongs to its generation and goes with it; what a system module registers stays. An exception in one
    is reported, and the others still run.

    Raises:
        TypeError: *function* cannot be called.
    """
    _RELOAD.add(function, sys._getframe(1).f_globals)
    return function


def on_retire(function: F) -> F:
    """Have *function* called, without arguments, when the generation that registers it retires.

    That is when a newer generation serves and the last request of this one has ended, when the load that runs the
    registering module fails, and when the process ends. It is the place to close what a module has opened. Those
    that were registered last are called first, each once, in a thread of the retirement; the lines that follow the
    server's start in a main script run after them. An exception in one is reported, and the others still run. What a
    system module registers is called at each retirement. Usable as a decorator, and on `pool.close`.

    Raises:
        TypeError: *function* cannot be called.
    """
    _RETIRE.add(function, sys._getframe(1).f_globals)
    return function


def call_reload_hooks(serving: Generation) -> None:
    """Call the `on_reload` functions of system modules and of the generation that serves, in order of registration."""
    _call([*_RELOAD.of_system_modules(), *_RELOAD.of(serving)], serving, "on_reload", "the reload goes on")


def call_retire_hooks(generation: Generation) -> None:
    """Call the `on_retire` functions of *generation*, and of system modules; the last that was registered first.

    At the end of the process this is called more than once. Each function is called once for a generation.
    """
    of_system_modules = [] if generation.has_called_hooks else _RETIRE.of_system_modules()
    generation.has_called_hooks = True
    functions = [*of_system_modules, *_RETIRE.of(generation)]
    _RETIRE.of(generation).clear()
    _call(functions[::-1], generation, "on_retire", f"generation {generation.number} retires all the same")


class _Kind:
    """The hooks of one kind. Its lists are only appended to, or replaced as a whole, so any thread may register."""

    def __init__(self, name: str) -> None:
        self._name = name
        # Without generation, with the namespace that registered it. User modules do so before autoreload is turned
        # on; the mark that their namespaces get tells them apart later.
        self._rest: list[tuple[Callable[[], object], dict[str, Any]]] = []

    def add(self, function: Callable[[], object], namespace: dict[str, Any]) -> None:
        if not callable(function):
            raise TypeError(f"{self._name} takes a function without parameters, not {function!r}")
        generation = _owner(function, namespace)
        if generation is not None:
            bind(namespace)
            bind(getattr(function, "__globals__", None))
            functions = generation.hooks.setdefault(self._name, [])
            if function not in functions:
                functions.append(function)
        elif all(other != function for other, _ in self._rest):
            self._rest.append((function, namespace))

    def of(self, generation: Generation) -> list[Callable[[], object]]:
        """Return the list of a generation's own."""
        owners = [(_owner(*each), each) for each in self._rest]
        early = [function for owner, (function, _) in owners if owner is generation]
        own = generation.hooks.setdefault(self._name, [])
        if early:
            self._rest = [each for owner, each in owners if owner is not generation]
            own[:0] = early
        return own

    def of_system_modules(self) -> list[Callable[[], object]]:
        return [function for function, namespace in self._rest if _owner(function, namespace) is None]


def _owner(function: Callable[[], object], namespace: dict[str, Any]) -> Generation | None:
    # A bound method of a library's object is no user code, but who registers it is.
    return owner_of(function) or namespace.get(MARK)


def _call(functions: list[Callable[[], object]], generation: Generation, kind: str, outcome: str) -> None:
    # Nothing ends because a generation retires. But a load that is given up is to end, also in a hook.
    errors = Exception if kind == "on_reload" else BaseException
    with entered(generation):
        for function in functions:
            try:
                function()
            except errors as error:
                import logging  # here, as the two below: every user module imports this module

                from ponyreload.generations.failures import load_error
                from ponyreload.reporting import say

                report = load_error(generation, generation.number, error)
                name = getattr(function, "__qualname__", repr(function))
                say(f"{kind} function {name} failed; {outcome}:\n{report.details}", logging.ERROR)


_RELOAD = _Kind("on_reload")
_RETIRE = _Kind("on_retire")
