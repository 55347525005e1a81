"""Owned: what a generation's code has registered or left running, undone when the generation retires."""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

from ponyreload.generations.context import published
from ponyreload.generations.generation import Generation
from ponyreload.generations.living import Living
from ponyreload.imports.loaders import AfterImport
from ponyreload.interpreter.forklocks import hold_over_forks, in_children
from ponyreload.interpreter.mainthread import MainThread
from ponyreload.interpreter.patches import Patches
from ponyreload.ownership.executors import Executors
from ponyreload.ownership.exits import Exits, run_finalizers
from ponyreload.ownership.filters import Filters
from ponyreload.ownership.forks import Forks
from ponyreload.ownership.logs import Logs
from ponyreload.ownership.makers import Belongings
from ponyreload.ownership.paths import Paths
from ponyreload.ownership.registries import Registries
from ponyreload.ownership.signals import Signals
from ponyreload.ownership.singles import PLACES, Single
from ponyreload.ownership.things import LISTS, Things
from ponyreload.ownership.threads import Threads
from ponyreload.ownership.works import Works
from ponyreload.reporting import say

__all__ = ["Owned", "state_of_process"]


class Owned:
    """Records what each generation leaves behind outside of its modules, and undoes it.

    Threads: only the thread that holds ``_settling`` changes what exists once in a process. A load begins only after
    the changes of a failed load before it are undone. The only code of the application that runs while the lock is
    held is what hashes its classes (a metaclass's ``__hash__``).

    Attributes:
        threads: The threads that generations have started.
    """

    def __init__(self, main_thread: MainThread, living: Living) -> None:
        # The functions of Python that are replaced while autoreload is on.
        self._patches = patches = Patches()
        self.threads = Threads(patches)
        self._works = Works(patches, living)
        self._executors = Executors(patches, self._works)
        self._exits = Exits(patches)
        self._forks = Forks(patches)
        self._signals = Signals(patches, main_thread)
        self._filters = Filters(patches)
        self._registries = Registries(patches)
        self._singles = [Single(*each) for each in PLACES]
        self._logs = Logs(patches)
        # What exists once in a process and a load may change, in the order in which changes are undone; then logging.
        self._settled: tuple[Paths | Things | Registries | Single, ...]
        lists = [Things(*each) for each in LISTS]
        self._settled = (Paths(), *lists, self._filters, self._registries, *self._singles)
        self._settling = threading.RLock()
        # The generation that is being loaded, until its changes to the process are kept or undone.
        self._loading: Generation | None = None

    def install(self, after_import: AfterImport) -> None:
        """Start recording.

        Args:
            after_import: What to call after a module is imported.
        """
        self.threads.install()
        self._executors.install(after_import)
        self._works.install(after_import)
        self._exits.install()
        self._forks.install()
        self._signals.install()
        self._filters.install()
        self._registries.install(after_import)
        for each in self._singles:
            each.install()
        self._logs.install(after_import)
        hold_over_forks("belongings", Belongings.lock)
        in_children(self._begin_in_child)

    def uninstall(self) -> None:
        """Stop recording. What the generation that serves has left stays."""
        self._patches.undo()
        self._logs.uninstall()

    def begin(self, generation: Generation) -> None:
        """Record the state before *generation* is loaded; called by the updater's thread, one load at a time."""
        with self._settling:
            if self._loading is not None:
                self._fail(self._loading)
            self._loading = generation
            self._do(self._signals.begin, *(each.begin for each in self._settled), self._logs.begin)

    def start(self) -> None:
        """Prepare for new threads, which keep some of the functions that they find."""
        self._do(*(each.stand_in for each in self._singles))

    def look(self) -> None:
        """Search for generic functions, which takes a while; called by the updater's thread when it starts."""
        self._do(self._registries.look)

    def published(self, generation: Generation) -> None:
        """Apply what *generation*, the newest, has set for the process."""
        with self._settling:
            self._loading = None
            steps = (partial(each.published, generation) for each in self._settled)
            self._do(*steps, partial(self._logs.published, generation))
        self._do(partial(self._signals.published, generation))

    def retire(self, generation: Generation) -> None:
        """Undo what *generation* has left, even if it was never published; called in a thread of its own.

        In the order in which a process ends: threads, exit functions, what else there is, logging last.
        """
        began = time.monotonic()
        with self._settling:
            self._fail(generation)
        self._do(
            lambda: self.threads.cancel_timers(generation),
            lambda: self._executors.shut_down(generation),
            lambda: self.threads.stop(generation),
            lambda: self.threads.join(generation),
            lambda: self._exits.run(generation),
            lambda: run_finalizers(generation),
            lambda: self.threads.watch(generation, began),
            lambda: self._forks.retire(generation),
            lambda: self._signals.retire(generation),
        )
        handlers: list[Any] = []
        with self._settling:
            steps = (partial(each.retire, generation) for each in self._settled)
            self._do(*steps, lambda: handlers.extend(self._logs.retire(generation)))
        self._do(lambda: self._logs.close(handlers, generation))

    def end(self, generation: Generation) -> None:
        """Undo what Python itself does not undo when a process ends.

        Python waits for timers, those of superseded generations too, and calls the exit functions of all of them.
        """
        self.threads.end()
        if generation is not published():
            self._do(lambda: self.threads.cancel_timers(generation), lambda: self._executors.shut_down(generation))

    def _fail(self, generation: Generation) -> None:
        """Undo what a failed load has changed for the process, before the next load."""
        if self._loading is generation:
            self._loading = None
            steps = (partial(each.fail, generation) for each in self._settled)
            self._do(*steps, partial(self._logs.fail, generation))

    def _do(self, *steps: Callable[[], object]) -> None:
        """Take these steps, each even if one before has failed."""
        for step in steps:
            try:
                step()
            except Exception:
                say(f"ponyreload itself failed; please report this:\n{traceback.format_exc()}", logging.ERROR)

    def _begin_in_child(self) -> None:
        self._settling = threading.RLock()
        self.threads.forget_all()
        self._executors.forget_all()


def state_of_process() -> list[object]:
    """Return what of the process code may change without a call that says who does: see `Paths`, `Things`, `Single`."""
    things = [each for module, name in LISTS for each in getattr(module, name)]
    return [*sys.path, *map(id, things), *(id(get()) for get, _, _ in PLACES)]
