"""Executors: pools of threads or processes that a generation's code has made."""

from __future__ import annotations

import functools
import logging
import sys
from typing import Any

from ponyreload.generations.context import published
from ponyreload.generations.generation import Generation
from ponyreload.imports.loaders import AfterImport
from ponyreload.interpreter.patches import Patches
from ponyreload.interpreter.private import call_before_threads_are_joined
from ponyreload.ownership.makers import Belongings, maker
from ponyreload.ownership.shared import is_shared
from ponyreload.ownership.works import Works
from ponyreload.reporting import say

__all__ = ["Executors"]

# Where they are, and what they are called there. Importing these takes long, so they are met when somebody else does.
CLASSES = {
    "concurrent.futures.process": "ProcessPoolExecutor",
    "concurrent.futures.thread": "ThreadPoolExecutor",
}


class Executors:
    """Records the executors that user code makes, by wrapping their classes' `__init__`, and shuts them down."""

    def __init__(self, patches: Patches, works: Works) -> None:
        self._made: Belongings[Any] = Belongings()
        self._patches = patches
        self._works = works

    def install(self, after_import: AfterImport) -> None:
        """Wrap what has been imported, and the rest when it is."""
        for module in CLASSES:
            after_import.call(module, functools.partial(self._wrap, module))

    def _wrap(self, module: str) -> None:
        kind = getattr(sys.modules[module], CLASSES[module], None)
        if kind is None:
            return  # another thread is just importing it
        plain, made = kind.__init__, self._made

        @functools.wraps(plain)
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it becomes a class's
            by = maker("concurrent")
            if by is not None:
                made.add(by, self)
            plain(self, *args, **kwargs)

        self._patches.put(kind, "__init__", __init__)
        self._works.wrap(kind, runs_here=module == "concurrent.futures.thread")
        # It runs before the function that waits for all that was submitted, which the module has just registered.
        call_before_threads_are_joined(self._end)

    def _end(self) -> None:
        """The process ends: what generations before the newest have submitted, and what has not begun, is not due."""
        for executor in self._made.not_of(published()):
            _shut_down(executor)

    def shut_down(self, generation: Generation) -> None:
        """Have the executors of *generation* take no more work, drop what has not begun, and let their workers end.

        One that user code has given to a system module works on: the newer generation may have found it there.
        """
        for executor in self._made.of(generation):
            if not is_shared(executor):
                _shut_down(executor)

    def forget_all(self) -> None:
        """Forget them in a forked process: their workers are not here, and their locks may be held."""
        self._made.forget_all()


def _shut_down(executor: Any) -> None:
    try:
        executor.shutdown(wait=False, cancel_futures=True)
    except Exception as error:  # of the user's class
        text = f"an executor ({type(executor).__qualname__}) failed to shut down"
        say(f"{text}: {type(error).__name__}: {error}", logging.ERROR)
