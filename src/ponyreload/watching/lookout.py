"""The lookout: when the next scan of the files is due, and which files it is for."""

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
    """Schedules scans: when events arrive, or by the clock where they do not.

    Threads: the lock of `Living` protects the schedule; its condition, *news*, is notified when a scan is to come
    earlier. `watch` is for the updater's thread.

    Args:
        news: The condition.
        matters: Tells whether a change of the file with this path can matter.
        may_watch: Whether this process may watch for events.

    Attributes:
        watcher, polling: The two ways to notice changes.
        at: When the next scan is due, on the monotonic clock; None if nothing calls for one.
    """

    def __init__(self, news: threading.Condition, matters: Callable[[str], bool], may_watch: bool) -> None:
        self._news = news
        self.watcher = Watcher(self.schedule_scan, matters)
        self.polling = polling.Polling()
        self._may_watch = may_watch
        # The arguments of the last call of `watch`.
        self._wanted: tuple[dict[str, bool], float | None] = {}, None
        self.at: float | None = None
        self._paths: set[str] | None = None  # files that events have named since the last scan; None for all files

    def schedule_scan(self, delay: float, path: str | None = None) -> None:
        """Schedule a scan in *delay* seconds, unless one is due sooner. Safe to call from any thread.

        Args:
            delay: Seconds.
            path: The only file that may have changed; None for all files.
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
        """Note that a scan starts, and schedule the next one where files are polled.

        Args:
            used_at: When the application was last used, on the monotonic clock.

        Returns:
            The files that events have named since the last scan; None for all files.
        """
        with self._news:
            self.polling.note_use(used_at)
            pause = self.polling.next_pause()
            self.at = None if pause is None else time.monotonic() + pause
            paths, self._paths = self._paths, None if pause is not None else set()
        return paths

    @property
    def rests(self) -> bool:
        """Whether scans are so rare now that the files may have changed unseen."""
        return self.polling.rests

    def end_rest(self) -> None:
        """Scan as often as usual again."""
        with self._news:
            self.polling.note_use(time.monotonic())
            if self.polling.rests:
                self.schedule_scan(self.polling.next_pause() or 0)

    def watch(self, folders: dict[str, bool], seconds: float | None) -> bool:
        """Watch exactly these folders for events; or poll, if *seconds* says so or events do not arrive.

        Args:
            folders: The folders, and whether the folders below each count too.
            seconds: Between two scans; None to watch for events.

        Returns:
            False if both are the same as before, and the files are polled.
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
            except (OSError, ImportError) as error:
                seconds = polling.POLL_SECONDS
                self._may_watch = isinstance(error, OSError)  # there may be watches left another time
                say(f"no file events ({error}); polling every {seconds} s instead", logging.WARNING)
        self.polling.seconds = seconds
        if seconds is not None:
            self.watcher.stop()
            self.schedule_scan(seconds)
        return True

    @property
    def watched(self) -> dict[str, bool]:
        """The folders that are watched for events, and whether the folders below each count too."""
        return self.watcher.folders

    @property
    def seconds(self) -> float | None:
        """The seconds between two scans where the files are polled; None where they are watched."""
        return self.polling.seconds

    def stop(self) -> None:
        """Stop the watcher's threads. Safe to call twice."""
        self.watcher.stop()


def is_due(at: float | None) -> bool:
    """Tell whether a time on the monotonic clock, if there is one, has come."""
    return at is not None and at <= time.monotonic()
