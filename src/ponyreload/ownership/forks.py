"""Forks: functions that a generation's code has left to be called when the process forks."""

from __future__ import annotations

import functools
import os
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

from ponyreload.generations.context import entered, is_for_process
from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import owner_of
from ponyreload.interpreter.patches import Patches
from ponyreload.interpreter.private import after_fork_registry
from ponyreload.ownership.makers import Belongings, Maker, maker, maker_of

__all__ = ["Forks"]


class AtFork(NamedTuple):
    """A function that user code has registered; *by* is None once its module has turned out to be a system module."""

    by: Maker | None
    when: str
    function: Callable[[], object]


class Forks:
    """Takes what user code registers with `os.register_at_fork`, and calls it for as long as its generation lives.

    Python cannot take such a function back. So it gets three of ours, once, at the place of the first that user code
    registers; these call what there is. What was registered before this was installed stays.

    Threads: `Belongings.lock` protects the list. Who forks holds it, and may change the list.
    """

    def __init__(self, patches: Patches) -> None:
        # In the order of registration:  [AtFork(Maker(<generation 3>, "shop.db"), "before", <function close>)]
        self._functions: list[AtFork] = []
        self._is_registered = False
        self._patches = patches

    def install(self) -> None:
        """Wrap `os.register_at_fork`. What has been registered is still called after this is undone."""
        if _plain_register is not None:
            self._patches.put(os, "register_at_fork", self._register)

    def _register(self, **functions: Any) -> None:
        """What `os.register_at_fork` is while autoreload is on."""
        taken = []
        if not is_for_process() and functions.keys() <= CALLS.keys() and all(map(callable, functions.values())):
            by = maker()
            for when, function in list(functions.items()):
                whose = maker_of(function) or by
                if whose is not None:
                    taken.append(AtFork(whose, when, functions.pop(when)))
        if functions or not taken:
            _plain_register(**functions)  # which also says what is wrong
        if taken:
            with Belongings.lock:
                self._functions += taken
                if not self._is_registered:
                    self._is_registered = True
                    _plain_register(**{when: functools.partial(self._call, when) for when in CALLS})

    def retire(self, generation: Generation) -> None:
        """Call no function of *generation* any more."""
        with Belongings.lock:
            kept = []
            for each in self._functions:
                if each.by is None or each.by.generation is not generation:
                    kept.append(each)
                elif each.by.is_of_process:
                    kept.append(each._replace(by=None))
            self._functions = kept
        _forget_multiprocessing(generation)

    def _call(self, when: str) -> None:
        """Call what is to be called now; as Python does, report a failure alone."""
        for by, _, function in CALLS[when](each for each in self._functions if each.when == when):
            try:
                with entered(None if by is None else by.generation):
                    function()
            except BaseException:
                # Not the log, whose locks are held.
                traceback.print_exc()


def _forget_multiprocessing(generation: Generation) -> None:
    """Take away what is to be called in the children of `multiprocessing` and runs code of *generation*."""
    registry = after_fork_registry()
    for key in list(registry):
        if owner_of(key[2]) is generation:
            registry.pop(key, None)


# In which order Python calls those that are called at this time.
CALLS: dict[str, Callable[[Any], list[AtFork]]] = {
    "before": lambda functions: list(functions)[::-1],
    "after_in_parent": list,
    "after_in_child": list,
}

_plain_register: Any = getattr(os, "register_at_fork", None)
