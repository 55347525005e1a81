"""Hooks: functions that are called when a reload fires."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from ponyreload.generations import Generation, entered, owner_of
from ponyreload.reporting import load_error, say

__all__ = ["call_reload_hooks", "on_reload"]

F = TypeVar("F", bound=Callable[[], object])

# Functions of system modules, which stay for good; and those that user modules registered before autoreload was
# turned on, which the mark in their globals tells apart later. Only ever appended to, or replaced as a whole.
_without_generation: list[Callable[[], object]] = []


def on_reload(function: F) -> F:
    """Have *function* called, without arguments, when a reload fires; usable as a decorator.

    It is called once for each load, in the thread that loads, after the changed files compiled and before the new
    modules run; so again if the load fails, or newer contents overtake it, and another follows. A function of a user
    module belongs to its generation and goes with it; one of a system module stays registered. An exception in one
    is reported, and the others still run.

    Raises:
        TypeError: *function* cannot be called.
    """
    if not callable(function):
        raise TypeError(f"on_reload takes a function without parameters, not {function!r}")
    generation = owner_of(function)
    hooks = _without_generation if generation is None else generation.hooks
    if function not in hooks:
        hooks.append(function)
    return function


def call_reload_hooks(serving: Generation) -> None:
    """Call the functions of system modules and of the generation that serves, in the order of registration."""
    global _without_generation
    _without_generation = [hook for hook in _without_generation if owner_of(hook) in (None, serving)]
    with entered(serving):
        for hook in [*_without_generation, *serving.hooks]:
            try:
                hook()
            except Exception as error:
                report = load_error(serving, serving.number, error)
                name = getattr(hook, "__qualname__", repr(hook))
                say(f"on_reload function {name} failed; the reload goes on:\n{report.details}", logging.ERROR)
