"""Forking: a forked process begins in a sound state, and follows the files by itself."""

from __future__ import annotations

import os
from collections.abc import Callable

from ponyreload.interpreter import frames
from ponyreload.lifecycle import keeping
from ponyreload.loading.load import load_of_this_thread
from ponyreload.reloading.application import Application
from ponyreload.reloading.attempts import GIVE_UP_SECONDS
from ponyreload.reloading.updating import Updater

__all__ = ["Forking"]

# Seconds that a fork waits for a load, at most; then the load is given up, and tried again.
FORK_SECONDS = 1.0


class Forking:
    """Holds the locks over a fork, and resets the state in the child.

    The thread that forks takes all locks before, in one order, so that the child finds them free. No load may be busy
    then, as it may hold locks that are not ours.

    Args:
        application: What is reloaded.
        updater: Returns the updater of this process.
        replace_updater: Puts a new one in its place, for the child.
    """

    def __init__(
        self, application: Application, updater: Callable[[], Updater], replace_updater: Callable[[], object]
    ) -> None:
        self._application = application
        self._updater = updater
        self._replace_updater = replace_updater
        first = (application.files.lock, application.tools.lock, keeping.lock, application.modules.table.lock)
        self._locks = (*first, application.living.lock, application.sources.lock, frames.lock)

    def install(self) -> None:
        """Have Python call this at each fork; it cannot be undone."""
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._hold, after_in_parent=self._let_go, after_in_child=self._begin_in_child)

    def begin_in_child(self) -> None:
        """Reset the state in a process that was forked without Python's knowledge; its only thread calls this."""
        self._hold()
        self._begin_in_child()

    def finish_load(self) -> None:
        """Wait until the load that is under way is published; or give it up: a child could not continue it."""
        updater = self._updater()
        mine, news = load_of_this_thread(), self._application.news
        if not updater.is_running_here():
            with news:
                news.wait_for(lambda: updater.attempts.loading in (None, mine), FORK_SECONDS)
        load = updater.attempts.unfinished
        if load is not None:
            load.abandon()
            load.join(GIVE_UP_SECONDS)

    def _hold(self) -> None:
        while True:
            self.finish_load()
            for lock in self._locks:
                lock.acquire()
            if self._updater().attempts.unfinished is None:
                return
            self._let_go()

    def _let_go(self) -> None:
        for lock in reversed(self._locks):
            lock.release()

    def _begin_in_child(self) -> None:
        self._application.begin_in_child()
        keeping.begin_in_child()
        self._replace_updater()
        self._let_go()
