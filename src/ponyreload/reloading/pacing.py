"""Pacing: when to scan the files, and how long to wait for contents that are still moving."""

from __future__ import annotations

import time
from collections.abc import Callable

from ponyreload.generations.generation import Generation
from ponyreload.reloading.application import Application
from ponyreload.watching.lookout import is_due

__all__ = ["Pace", "Times"]

# Seconds without a change before a failed load is reported: the next keystroke may mend it.
QUIET_SECONDS = 0.1
# Seconds to wait after a publish. Watching new folders and retiring the generation before compete with requests for
# the GIL.
GIVE_WAY_SECONDS = 0.02
# Seconds that the first request of a forked process waits, at most, until the newest contents are served.
CATCH_UP_SECONDS = 10.0
# Seconds that the first request after a rest of the polling waits, at most.
WAKE_SECONDS = 1.0

Times = tuple[float | None, ...]


class Pace:
    """Tells the thread of the `Updater` when to scan, and when to wait.

    Threads: all of it is guarded by the lock of `Living`, and waited for through its condition.

    Args:
        application: What is reloaded.
        is_forked: Whether this process was forked from one that reloads.

    Attributes:
        lookout: Says when a scan is due, and of which files.
        is_stopping: Whether the end has come, so that nothing is waited for.
        is_behind: Whether a request is to wait for a scan first: what a forked process serves may have been old when it
            began, and what serves after a rest of the polling may have become so.
        begins_behind: Whether the first scan of a forked process is still to come.
        scans_started, scan_awaited: How many scans were started, and the last one that a request waits for.
        asked, answered: How many calls of `ask` there were, and how many of these are answered.
    """

    def __init__(self, application: Application, is_forked: bool = False) -> None:
        self._application = application
        self._news = application.news
        self.lookout = application.lookout
        self.is_stopping = False
        self.is_behind = self.begins_behind = is_forked
        self.asked = 0
        self.answered = 0
        self.scans_started = 0
        self.scan_awaited = 0
        self._scans_done = 0  # the last scan that has been acted upon

    # -- from any thread -------------------------------------------------------------------------------------

    def ask(self) -> None:
        """Ask for a load whatever the files say, and wait until it is published or has failed.

        Raises:
            RuntimeError: The reloader has been stopped.
        """
        with self._news:
            if self.is_stopping:
                raise RuntimeError("the reloader has been stopped")
            self.asked += 1
            ticket = self.asked
            self._news.notify_all()
            self._news.wait_for(lambda: self.answered >= ticket or self.is_stopping)

    def catch_up(self) -> None:
        """Wait until the newest contents are served; a scan begins for that."""
        with self._news:
            self.lookout.end_rest()
            self.lookout.schedule_scan(0)
            # Not a scan that is under way: it may have read the file before the save.
            scan = self.scan_awaited = self.scans_started + 1
            patience = CATCH_UP_SECONDS if self.begins_behind else WAKE_SECONDS
            if not self._news.wait_for(lambda: self.is_stopping or self._scans_done >= scan, patience):
                self.is_behind = False  # for the others too, what there is has to do

    def end_rest(self) -> None:
        """Scan now, if scans are far apart, and then as often as usual."""
        with self._news:
            if self.lookout.rests:
                self.lookout.end_rest()
                self.lookout.schedule_scan(0)

    def stop(self) -> None:
        """Have all waiting end."""
        with self._news:
            self.is_stopping, self.is_behind = True, False
            self._news.notify_all()

    # -- the updater's thread --------------------------------------------------------------------------------

    def wait_until(self, condition: Callable[[], bool], times: Callable[[], Times]) -> None:
        """Wait until *condition* holds, which news or one of the *times* may bring; these may change meanwhile."""
        with self._news:
            while not condition():
                due = [at for at in times() if at is not None]
                self._news.wait(max(0.0, min(due) - time.monotonic()) if due else None)

    def start_scan(self, is_loading: bool = False) -> set[str] | None:
        """Note that a scan starts; return the files to scan, None for all.

        To scan only the files that events name, and all of them afterwards, pays where a reload takes less than a scan.
        """
        with self._news:
            self.scans_started += 1
            is_used = is_loading or self._application.has_readers
            paths = self.lookout.scan_started(time.monotonic() if is_used else self._application.living.last_request())
        return paths if self._application.serving.imports is not None else None

    def has_changes(self, loading: Generation | None = None) -> bool:
        """Scan, if that is due, for contents that the last load has not seen; they stay to be found again."""
        with self._news:
            if not is_due(self.lookout.at):
                return False
            paths = self.start_scan(loading is not None)  # before the scan, or an event during it is lost
        if not self._application.files.differ(self._application.serving, loading, paths):
            return False
        self.lookout.schedule_scan(0)
        return True

    def is_moving(self) -> bool:
        """Wait for changes up to `QUIET_SECONDS`; tell whether there were some."""
        deadline = time.monotonic() + QUIET_SECONDS
        while not self.is_stopping and not is_due(deadline):
            self.wait_until(lambda: self._is_over(deadline), lambda: (self.lookout.at, deadline))
            if self.has_changes():
                return True
        return False

    def settle(self, seconds: float) -> None:
        """Wait until there has been no event for *seconds*."""
        deadline = time.monotonic() + seconds
        while not self.is_stopping and not is_due(deadline):
            with self._news:
                if is_due(self.lookout.at):
                    self.lookout.at, deadline = None, time.monotonic() + seconds
            self.wait_until(
                lambda: self._is_over(deadline),  # noqa: B023
                lambda: (self.lookout.at, deadline),  # noqa: B023 - both are called at once
            )

    def give_way(self) -> None:
        """Wait a moment, for the requests that the new generation was made for to be answered first."""
        deadline = time.monotonic() + GIVE_WAY_SECONDS

        def is_over() -> bool:
            is_awaited = self.scan_awaited > self._scans_done or self.asked > self.answered
            return is_awaited or self._is_over(deadline)

        self.wait_until(is_over, lambda: (self.lookout.at, deadline))

    def _is_over(self, deadline: float) -> bool:
        return self.is_stopping or is_due(self.lookout.at) or is_due(deadline)

    def answer(self, asked: int) -> None:
        """Note that the scans so far have been acted upon, and *asked* calls of `ask` are answered."""
        with self._news:
            self.answered, self._scans_done = asked, self.scans_started
            self.is_behind, self.begins_behind = self.lookout.rests, False
            self._news.notify_all()
