"""The watcher: reports that something in a set of folders changed. A scan finds out what."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ponyreload.interpreter.private import imported
from ponyreload.project import own_imports

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent
    from watchdog.observers.api import BaseObserver, ObservedWatch

__all__ = ["Watcher", "events_arrive", "is_patched"]

# File systems that other machines write to, so that this machine's kernel makes no events.
REMOTE = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "vboxsf", "prl_fs", "drvfs")
REMOTE_FUSE = ("fuse.sshfs", "fuse.grpcfuse", "fuse.osxfs", "fuse.vmhgfs-fuse", "fuse.rclone", "fuse.s3fs")

# Seconds. A file that is written in place is empty at first. Linux reports the end of the writing, which is waited for,
# up to so long; elsewhere the next event is, up to the shorter time.
WRITING_SECONDS = 0.05 if sys.platform == "linux" else 0.01

# The system queues a limited number of events for a process (Linux: 16,384), and drops those beyond. Where one was
# dropped, more than this many others are queued: so after each this many, any file may have changed.
FLOOD_EVENTS = 1_000
# Seconds until the scan of all files that such a flood of events calls for.
FLOOD_SECONDS = 0.2


class Watcher:
    """Watches folders with the operating system's own events; sleeps while nothing happens.

    Args:
        schedule_scan: Called from a thread of watchdog's, with the seconds after which a scan is worth it, and the path
            of the only file that may have changed; None if others may have.
        matters: Tells whether a change of the file with this path can matter.
    """

    def __init__(self, schedule_scan: Callable[[float, str | None], object], matters: Callable[[str], bool]) -> None:
        self._schedule_scan = schedule_scan
        self._matters = matters
        self._observer: BaseObserver | None = None
        self._events = 0  # counted by the one thread of watchdog's that dispatches them
        # folder -> its watch, its inode then, and whether the folders below it count too
        self._watched: dict[str, tuple[ObservedWatch, int, bool]] = {}

    def watch(self, folders: Mapping[str, bool]) -> bool:
        """Watch exactly these folders: folder -> whether the folders below it count too.

        Returns:
            Whether any of them is new, so that earlier changes in it went unseen.

        Raises:
            OSError: The system has no watches left.
            ImportError: watchdog cannot be had.
        """
        if self._observer is None:
            with own_imports("watchdog.observers"):
                from watchdog.observers import Observer  # here: `import ponyreload` must not import it

            _quieten()
            self._observer = Observer()
            self._observer.start()
        for folder, (watch, inode, deep) in list(self._watched.items()):
            # A folder that was deleted and created again is another one, and the old watch does not see it.
            if folders.get(folder) is not deep or _inode(folder) != inode:
                self._observer.unschedule(watch)
                del self._watched[folder]
        more = False
        for folder, deep in folders.items():
            if folder not in self._watched and (inode := _inode(folder)):
                watch = self._observer.schedule(self, folder, recursive=deep, event_filter=_interesting())  # type: ignore[arg-type]
                self._watched[folder] = (watch, inode, deep)
                more = True
        return more

    @property
    def folders(self) -> dict[str, bool]:
        """The folders that are watched, and whether the folders below each count too. Safe to read from any thread."""
        return {folder: deep for folder, (_, _, deep) in self._watched.copy().items()}

    def dispatch(self, event: FileSystemEvent) -> None:
        """Handle an event; watchdog calls this on its own thread."""
        self._events += 1
        if self._events % FLOOD_EVENTS == 0:
            self._schedule_scan(FLOOD_SECONDS, None)
        if event.is_directory:
            # Whatever happens in a folder "modifies" it, and has an event of its own.
            if event.event_type != "modified":
                self._schedule_scan(WRITING_SECONDS, None)
            return
        paths = [os.fsdecode(path) for path in (event.src_path, event.dest_path) if path]
        paths = [path for path in paths if self._matters(path)]
        if paths:
            # A file that is created with contents was moved here from a folder that is not watched.
            is_written = event.event_type == "created" and not _is_empty(event.src_path)
            is_whole = is_written or event.event_type not in ("modified", "created")
            self._schedule_scan(0 if is_whole else WRITING_SECONDS, paths[0] if len(paths) == 1 else None)

    def stop(self) -> None:
        """Stop the threads. Safe to call twice."""
        observer, self._observer = self._observer, None
        self._watched.clear()
        if observer is not None:
            observer.stop()
            observer.join()


def _quieten() -> None:
    """Keep out of the log watchdog's lines on each event, unless the user has asked for them, and on its own end.

    Where the log file is in a watched folder, each line would make the next event.
    """
    for name in ("watchdog", "fsevents"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.INFO)
    logging.getLogger("watchdog.observers.inotify").addFilter(_is_no_end)


def _is_no_end(record: logging.LogRecord) -> bool:
    # Watchdog logs it as an error, but it happens to any thread that is stopped between two events.
    return "when the thread is inactive" not in str(record.msg)


def _interesting() -> list[type[Any]]:
    """Return the kinds of events that new contents make; not those of reading, which loading would cause itself."""
    from watchdog import events

    kinds = [events.FileModifiedEvent, events.FileClosedEvent, events.FileCreatedEvent, events.FileMovedEvent]
    kinds += [events.FileDeletedEvent, events.DirCreatedEvent, events.DirMovedEvent, events.DirDeletedEvent]
    return kinds


def _is_empty(path: bytes | str) -> bool:
    try:
        return os.stat(path).st_size == 0
    except OSError:
        return True


def _inode(folder: str) -> int:
    """Return the inode of a folder; 0 if there is no such folder."""
    try:
        return os.stat(folder).st_ino or 1 if os.path.isdir(folder) else 0
    except OSError:
        return 0


def is_patched() -> bool:
    """Tell whether gevent has replaced threads by greenlets: watchdog's would keep the others from running."""
    # Another thread may be importing it at this moment.
    is_module_patched = getattr(imported("gevent.monkey"), "is_module_patched", None)
    return is_module_patched is not None and bool(is_module_patched("threading"))


def events_arrive(folder: str, mounts: str = "/proc/self/mounts") -> bool:
    """Tell whether changes in *folder* make events: not on file systems that other machines write to."""
    try:
        with open(mounts, encoding="utf-8", errors="replace") as table:
            rows = [line.split()[1:3] for line in table]
    except OSError:
        return True  # there is no such table: not Linux
    folder = os.path.join(os.path.realpath(folder), "")
    best = ("", "")
    for place, kind in rows:
        place = os.path.join(place.replace("\\040", " "), "")
        if folder.startswith(place) and len(place) >= len(best[0]):
            best = (place, kind)
    return best[1] not in REMOTE + REMOTE_FUSE
