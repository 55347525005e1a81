"""Owned: what a generation's code registered or left running, which goes when the generation does."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, MutableMapping
from functools import partial
from typing import Any

from ponyreload.generations.context import published
from ponyreload.generations.generation import Generation
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
from ponyreload.reporting import say

__all__ = ["Owned"]


class Owned:
    """Records what each generation leaves behind outside of its modules, and undoes it.

    Threads: ``_settling`` lets what the process has one of be changed by one thread at a time, and a load begin only
    after what a failed one before it has changed has been changed back. No code of the application runs while it is
    held, but for what tells its classes apart (a metaclass's ``__hash__``).

    Attributes:
        threads: The threads that generations have started.
    """

    def __init__(self, main_thread: MainThread) -> None:
        # What stands in the place of functions of Python's while autoreload is on.
        self._patches = patches = Patches()
        self.threads = Threads(patches)
        self._executors = Executors(patches)
        self._exits = Exits(patches)
        self._forks = Forks(patches)
        self._signals = Signals(patches, main_thread)
        self._filters = Filters(patches)
        self._registries = Registries(patches)
        self._singles = [Single(*each) for each in PLACES]
        self._logs = Logs(patches)
        # What the process has one of, and a load may change, in the order in which it is changed back. Logging is last.
        self._settled: tuple[Paths | Things | Registries | Single, ...]
        lists = [Things(*each) for each in LISTS]
        self._settled = (Paths(), *lists, self._filters, self._registries, *self._singles)
        self._settling = threading.RLock()
        # The generation that is being loaded, whose changes of what the process has are not settled yet.
        self._loading: Generation | None = None

    def install(self, call_after_import: MutableMapping[str, Callable[[], object]]) -> None:
        """Put the hooks in.

        Args:
            call_after_import: What to call once a module has been imported:  "logging.config" -> <function>
        """
        self.threads.install()
        self._executors.install(call_after_import)
        self._exits.install()
        self._forks.install()
        self._signals.install()
        self._filters.install()
        self._registries.install(call_after_import)
        for each in self._singles:
            each.install()
        self._logs.install(call_after_import)
        hold_over_forks("belongings", Belongings.lock)
        in_children(self._begin_in_child)

    def uninstall(self) -> None:
        """Take them out; what the generation that serves has left stays."""
        self._patches.undo()
        self._logs.uninstall()

    def begin(self, generation: Generation) -> None:
        """Note what is there before *generation* is loaded; called by the updater's thread, one load at a time."""
        with self._settling:
            if self._loading is not None:
                self._fail(self._loading)
            self._loading = generation
            self._do(self._signals.begin, *(each.begin for each in self._settled), self._logs.begin)

    def start(self) -> None:
        """Get ready for threads to be started, which keep some of what they find."""
        self._do(*(each.stand_in for each in self._singles))

    def look(self) -> None:
        """Find what takes a while to be found; called by the updater's thread before it has anything to do."""
        self._do(self._registries.look)

    def published(self, generation: Generation) -> None:
        """Settle what belongs to the process from now on, which *generation*, the newest, has said."""
        with self._settling:
            self._loading = None
            steps = (partial(each.published, generation) for each in self._settled)
            self._do(*steps, partial(self._logs.published, generation))
        self._do(partial(self._signals.published, generation))

    def retire(self, generation: Generation) -> None:
        """Undo what *generation* has left, also one that was never published; called in a thread of its own.

        In the order in which a process ends: threads, exit functions, what else there is, logging last.
        """
        began = time.monotonic()
        with self._settling:
            self._fail(generation)
        self._do(
            lambda: self.threads.cancel_timers(generation),
            lambda: self._executors.shut_down(generation),
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
        """The process ends: undo what Python itself would not.

        Python waits for timers, those of superseded generations too, and calls the exit functions of all of them.
        """
        self.threads.end()
        if generation is not published():
            self._do(lambda: self.threads.cancel_timers(generation), lambda: self._executors.shut_down(generation))

    def _fail(self, generation: Generation) -> None:
        """Change back at once what a load that failed has changed for the process, before there is another load."""
        if self._loading is generation:
            self._loading = None
            steps = (partial(each.fail, generation) for each in self._settled)
            self._do(*steps, partial(self._logs.fail, generation))

    def _do(self, *steps: Callable[[], object]) -> None:
        """Take these steps, each whether or not the one before has failed."""
        for step in steps:
            try:
                step()
            except Exception:
                say(f"ponyreload itself failed; please report this:\n{traceback.format_exc()}", logging.ERROR)

    def _begin_in_child(self) -> None:
        self._settling = threading.RLock()
        self.threads.forget_all()
        self._executors.forget_all()
