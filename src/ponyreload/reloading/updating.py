"""Updating: the thread that keeps the served generation in step with the files."""

from __future__ import annotations

import gc
import logging
import threading
import time
import traceback
from collections.abc import Callable

from ponyreload.errors import Abandoned
from ponyreload.generations.generation import Generation
from ponyreload.holders.retention import GRACE_SECONDS
from ponyreload.imports import sharing
from ponyreload.interpreter.collecting import few_collections
from ponyreload.interpreter.starting import start
from ponyreload.interpreter.turns import short_turns
from ponyreload.loading.precompiling import compile_ahead
from ponyreload.reloading.application import Application
from ponyreload.reloading.attempts import Attempts
from ponyreload.reloading.pacing import Pace, Times
from ponyreload.reloading.publishing import Publishing
from ponyreload.reloading.retiring import Retiring
from ponyreload.reporting import say
from ponyreload.watching.folders import Folders
from ponyreload.watching.lookout import is_due
from ponyreload.watching.strangers import Strangers
from ponyreload.wsgi.requests import name_requests, naming_at

__all__ = ["Updater"]

# Seconds. When a scan of the files that events name is followed by a scan of all files.
SCAN_AGAIN_SECONDS = 0.05
# Seconds. Between two loads of contents that keep moving: the first pause, and the longest.
FIRST_PAUSE_SECONDS = 0.005
LONGEST_PAUSE_SECONDS = 0.1


class Updater:
    """One thread, "ponyreload": it scans the files, starts loads, has them published, and retires generations.

    Attributes:
        pace: When to scan and when to wait; guarded by the lock of `Living`, and waited for through its condition.
        attempts: The loads.
        is_started: Whether the thread was started, as a server has started.
    """

    def __init__(
        self, application: Application, publishing: Publishing, retiring: Retiring, is_forked: bool = False
    ) -> None:
        self._application = application
        self._retiring = retiring
        self._is_forked = is_forked
        self.pace = Pace(application, is_forked)
        self.attempts = Attempts(application, self.pace, publishing, retiring)
        self._strangers = Strangers(application.sources)
        self._folders = Folders(application.files, self._strangers)
        self._thread: threading.Thread | None = None
        self.is_started = False

    # -- from any thread -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread, unless that has been done. Called with the lock held."""
        if not self.is_started and not self.pace.is_stopping:
            self.is_started = True
            thread = threading.Thread(target=self._run, name="ponyreload", daemon=True)
            self._thread = thread if start(thread) else None

    def stop(self) -> None:
        """End the thread and the watcher's. Safe to call twice."""
        self.pace.stop()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self.pace.lookout.stop()

    def is_running_here(self) -> bool:
        """Tell whether the calling thread is the updater's."""
        return threading.current_thread() is self._thread

    # -- the thread ------------------------------------------------------------------------------------------

    def _run(self) -> None:
        self._try_to(self._begin)
        self.pace.lookout.schedule_scan(0)  # what changed before the watching began
        while not self.pace.is_stopping:
            self._try_to(self.attend)

    def _try_to(self, do: Callable[[], object]) -> None:
        scans = self.pace.scans_started
        try:
            do()
        except Exception:
            # The current generation serves on, and the next save is tried.
            say(f"ponyreload itself failed; please report this:\n{traceback.format_exc()}", logging.ERROR)
            if self.pace.scans_started == scans:
                self.pace.start_scan()  # or it would be tried again at once, and for ever

    def _begin(self) -> None:
        """Do what the first load, or the first page, would have to wait for otherwise."""
        application = self._application
        application.adopt()
        self._watch()
        application.tools.get()
        application.owned.look()
        if not self._is_forked:  # a server's many processes would all do it
            compile_ahead(application.serving, lambda: self.pace.is_stopping or application.serving.number > 1)

    def attend(self) -> None:
        """Wait for something to do, and do it."""
        application, pace = self._application, self.pace
        pace.wait_until(self.is_called, self._times)
        with application.news:
            asked, is_scan_due = pace.asked, is_due(pace.lookout.at)
        if pace.is_stopping:
            return
        # Before the older generations go, which tell.
        is_doubtful = sharing.is_doubtful(application.serving, application.living.all())
        if is_doubtful:
            say("a request of an older generation has changed modules that are shared; all modules are loaded again")
        for generation in application.living.idle():
            self._retiring.retire(generation)
        is_forced = is_doubtful or asked > pace.answered
        if is_scan_due or is_forced:
            try:
                with short_turns():
                    self._bring_up_to_date(force=is_forced)
            finally:
                # Also if it failed: nobody is to wait for ever, and nothing to be tried for ever.
                pace.answer(asked)
        name_requests(application.living.held(), application.options.drain_seconds)
        self._collect()

    def is_called(self) -> bool:
        """Tell whether there is something to do now."""
        pace = self.pace
        due = any(map(is_due, self._times())) or pace.asked > pace.answered or self._application.collector.is_burst()
        return pace.is_stopping or due or bool(self._application.living.idle())

    def _times(self) -> Times:
        naming = naming_at(self._application.living.held(), self._application.options.drain_seconds)
        return self.pace.lookout.at, self._application.collector.at, naming

    def _collect(self) -> None:
        """Collect the memory of retired generations, if it is time, and report what stays."""
        application, collector = self._application, self._application.collector
        with application.news:
            is_quiet, is_burst = collector.take(application.living.last_request())
        if is_quiet or is_burst:
            gc.collect()
            collector.collected()
        # Not in a burst: what has just retired may still be in the hands of the thread that saw to it.
        if is_quiet and application.retained.report():
            with application.news:
                collector.at = time.monotonic() + GRACE_SECONDS

    def _bring_up_to_date(self, force: bool) -> None:
        """Load and publish until the newest contents are served, or say why that cannot be."""
        application, pace, attempts = self._application, self.pace, self.attempts
        pause = FIRST_PAUSE_SECONDS
        is_whole = False
        changed: set[str] = set()
        while not pace.is_stopping:
            paths = pace.start_scan()
            self._strangers.report_changed()
            serving = application.serving
            changed |= application.files.changes(serving, paths)
            if changed:
                pace.lookout.end_rest()
            if paths is not None:
                pace.lookout.schedule_scan(SCAN_AGAIN_SECONDS)
            if not force and (not changed or self._is_undone(serving)):
                break
            if application.files.any_is_empty(changed) and pace.is_moving():
                continue  # it had been truncated, and is written now
            started = time.monotonic()
            with few_collections():
                load, error = attempts.run(changed, not force and not is_whole)
            if error is None and load.done and not self._is_overtaken(load.generation):
                error = attempts.publish(load, changed, started)
                if error is None:
                    pace.give_way()
                    sharing.prepare(load.generation)
                    break
            attempts.discard(load)
            if error is not None and load.generation.shared:
                is_whole = True  # it may be the fault of what was taken over
                continue
            if isinstance(error, Abandoned):
                continue  # for a fork; nothing is wrong with it
            if error is not None and not pace.is_moving():
                attempts.fail(load, error, changed, started)
                break
            # Overtaken: the contents are moving. Let them settle a little, a little longer each time.
            pace.settle(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        self._watch()

    def _is_undone(self, serving: Generation) -> bool:
        """Tell whether, after a failed load, the files are again those that are served; then that error is over."""
        application = self._application
        if serving.is_broken or not application.files.are_as_served(serving):
            return False
        application.files.served(serving)
        say(f"change undone; generation {serving.number} is current again", of_load=True)
        application.note(None)
        application.journal.error_is_over(serving.number)
        return True

    def _is_overtaken(self, loaded: Generation) -> bool:
        """Tell whether there are newer contents than those of a generation that has loaded, or soon will be."""
        if self.pace.has_changes(loaded):
            return True
        is_truncated = self._application.files.is_truncated(loaded, self._application.serving)
        return is_truncated and self.pace.is_moving()

    def _watch(self) -> None:
        """Watch the folders of the generation that serves, and of the load that failed."""
        application = self._application
        folders = self._folders.to_watch(application.serving)
        if self.pace.lookout.watch(folders, application.options.poll_seconds):
            self._strangers.report_unreadable()
