"""Tasks: `BackgroundTask`, the thread of each `Monitor`. Those of a generation are cancelled when it retires."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from cherrypy.process.plugins import BackgroundTask

from ponyreload.adapters.cherrypy.listeners import listening
from ponyreload.adapters.cherrypy.owners import owner_of_given
from ponyreload.generations.generation import Generation
from ponyreload.interpreter.patches import Patches
from ponyreload.interpreter.private import imported

__all__ = ["TASKS", "Tasks"]


class Tasks:
    """Knows the tasks of each generation, and has a task wait for its end where it would sleep, for an hour maybe.

    Threads: any may start or cancel a task. What is done to the tables is one step each.
    """

    def install(self) -> None:
        # Whose code a task runs, or who has started it:  <BackgroundTask> -> <generation 3>
        self._owners: weakref.WeakKeyDictionary[Any, weakref.ref[Generation]] = weakref.WeakKeyDictionary()
        # What wakes up a task that sleeps.
        self._ends: weakref.WeakKeyDictionary[Any, threading.Event] = weakref.WeakKeyDictionary()
        self._patches = Patches()
        self._patches.put(BackgroundTask, "start", _start)
        self._patches.wrap(BackgroundTask, "cancel", self._cancel)
        self._patches.put(imported("cherrypy.process.plugins"), "time", self)

    def uninstall(self) -> None:
        self._patches.undo()

    def note(self, task: Any) -> None:
        """Note whose a task is that is about to start."""
        owner = owner_of_given(task.function) or listening()
        if owner is not None:
            self._owners[task] = weakref.ref(owner)

    def sleep(self, seconds: float) -> None:
        """What `time.sleep` is in CherryPy's plugins, where only a task calls it."""
        task = threading.current_thread()
        if isinstance(task, BackgroundTask):
            self._ends.setdefault(task, threading.Event()).wait(seconds)
        else:
            time.sleep(seconds)

    def _cancel(self, plain: Callable[[Any], None], task: Any) -> None:
        plain(task)
        self._ends.setdefault(task, threading.Event()).set()

    def retire(self, generation: Generation) -> None:
        """Cancel the tasks of a generation."""
        for reference in self._owners.keyrefs():
            task = reference()
            if task is not None and self._owners[task]() is generation:
                task.cancel()


def _start(task: Any) -> None:
    TASKS.note(task)
    threading.Thread.start(task)


TASKS = Tasks()
