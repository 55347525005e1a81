"""The lookout: when to look at the files next, and at which of them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from ponyreload.reporting import say
from ponyreload.watching import polling
from ponyreload.watching.watcher import Watcher, events_arrive, is_patched

__all__ = ["Lookout", "is_due"]


class Lookout:
    """Takes the news of files: from events, where they arrive, or from the clock.

    Guarded by the lock of `Living`; who waits for a look is told through its condition, *news*.

    Args:
        news: The condition.
        matters: Tells whether a change of a file of this path can matter.
        may_watch: Whether this process may wait for events.

    Attributes:
        watcher, polling: The two ways.
        at: When to look next, on the monotonic clock; None if there is nothing to look for.
    """

    def __init__(self, news: threading.Condition, matters: Callable[[str], bool], may_watch: bool) -> None:
        self._news = news
        self.watcher = Watcher(self.schedule_scan, matters)
        self.polling = polling.Polling()
        self._may_watch = may_watch
        # What was to be watched at the last time, and how.
        self._wanted: tuple[dict[str, bool], float | None] = {}, None
        self.at: float | None = None
        self._paths: set[str] | None = None  # those that there was news of since the last look; None for all

    def schedule_scan(self, delay: float, path: str | None = None) -> None:
        """Have the files looked at in *delay* seconds, or sooner if that was asked for already. From any thread.

        Args:
            delay: Seconds.
            path: The only one that there is news of; None for all.
        """
        due = time.monotonic() + delay
        with self._news:
            if path is None:
                self._paths = None
            elif self._paths is not None:
                self._paths.add(path)
            if self.at is None or due < self.at:
                self.at = due
                self._news.notify_all()

    def scan_started(self, used_at: float) -> set[str] | None:
        """Note that the files are looked at now; return which ones there was news of, None for all.

        Args:
            used_at: When the application was last used, on the monotonic clock.
        """
        with self._news:
            self.polling.note_use(used_at)
            pause = self.polling.next_pause()
            self.at = None if pause is None else time.monotonic() + pause
            paths, self._paths = self._paths, None if pause is not None else set()
        return paths

    @property
    def rests(self) -> bool:
        """Whether looks are so rare now that the files may have changed unseen."""
        return self.polling.rests

    def end_rest(self) -> None:
        """Look as often as usual again."""
        with self._news:
            self.polling.note_use(time.monotonic())
            if self.polling.rests:
                self.schedule_scan(self.polling.next_pause() or 0)

    def watch(self, folders: dict[str, bool], seconds: float | None) -> bool:
        """Wait for events in just these folders; or look at the files every so many seconds, if events do not arrive.

        Args:
            folders: Whether the folders below each count too.
            seconds: Between two looks; None to wait for events.

        Returns:
            False if these are the same as before, and the files are looked at every so many seconds anyhow.
        """
        before, self._wanted = self._wanted, (folders, seconds)
        if self.polling.seconds is not None and self._wanted == before:
            return False
        if seconds is None and not (self._may_watch and not is_patched() and all(map(events_arrive, folders))):
            seconds = polling.POLL_SECONDS
        if seconds is None:
            try:
                if self.watcher.watch(folders):
                    self.schedule_scan(0)
            except OSError as error:
                seconds = polling.POLL_SECONDS
                say(f"no file events ({error}); looking at the files every {seconds} s instead", logging.WARNING)
        self.polling.seconds = seconds
        if seconds is not None:
            self.watcher.stop()
            self.schedule_scan(seconds)
        return True

    @property
    def watched(self) -> dict[str, bool]:
        """The folders whose events are waited for, and whether the folders below each count too."""
        return self.watcher.folders

    @property
    def seconds(self) -> float | None:
        """The seconds between two looks at the files, where events do not arrive or are not wanted."""
        return self.polling.seconds

    def stop(self) -> None:
        """End the watcher's threads. Safe to call twice."""
        self.watcher.stop()


def is_due(at: float | None) -> bool:
    """Tell whether a time on the monotonic clock, if there is one, has come."""
    return at is not None and at <= time.monotonic()
