"""Forking: a forked process begins in a sound state, and follows the files by itself."""

from __future__ import annotations

from collections.abc import Callable

from ponyreload.generations.context import marks
from ponyreload.interpreter.forklocks import before_forks, hold_over_forks, in_children
from ponyreload.lifecycle import keeping
from ponyreload.loading.load import load_of_this_thread
from ponyreload.reloading.application import Application
from ponyreload.reloading.attempts import GIVE_UP_SECONDS
from ponyreload.reloading.updating import Updater

__all__ = ["Forking"]

# Seconds that a fork waits for a load, at most; then the load is given up, and tried again.
FORK_SECONDS = 1.0


class Forking:
    """Holds the locks over a fork, and resets the state in the child. No load may be busy then: it may hold others.

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

    def install(self) -> None:
        """Have this called at each fork; it cannot be undone."""
        application = self._application
        hold_over_forks("files", application.files.lock)
        hold_over_forks("tools", application.tools.lock)
        hold_over_forks("keeping", keeping.lock)
        hold_over_forks("modules", application.modules.table.lock)
        hold_over_forks("living", application.living.lock)
        hold_over_forks("marks", marks)
        hold_over_forks("sources", application.sources.lock)
        before_forks(self.finish_load, lambda: self._updater().attempts.unfinished is None)
        in_children(self._begin_in_child)

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

    def _begin_in_child(self) -> None:
        self._application.begin_in_child()
        keeping.begin_in_child()
        self._replace_updater()
