"""The watcher: tells that something changed in a set of folders. What changed, the contents tell."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent
    from watchdog.observers.api import BaseObserver, ObservedWatch

__all__ = ["Watcher", "events_arrive", "is_patched"]

# File systems whose changes are made elsewhere, so that this machine's kernel does not see them.
REMOTE = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "vboxsf", "prl_fs", "drvfs")
REMOTE_FUSE = ("fuse.sshfs", "fuse.grpcfuse", "fuse.osxfs", "fuse.vmhgfs-fuse", "fuse.rclone", "fuse.s3fs")

# A file that is written in place is seen empty first. Where the end of the writing is told (Linux), it is waited
# for, up to this long; elsewhere the next event, up to the shorter time.
WRITING_SECONDS = 0.05 if sys.platform == "linux" else 0.01

# The system keeps a limited number of events for a process (Linux: 16,384), and drops those that come on top. Where one
# was dropped, more than this many others are on their way: so after each this many there may be news of anything.
FLOOD_EVENTS = 1_000
FLOOD_SECONDS = 0.2


class Watcher:
    """Watches folders with the operating system's own events; sleeps while nothing happens.

    Args:
        schedule_scan: Called from a watcher thread, with the seconds after which it is worth to look at the files, and with
            the path of the one that the event is about; None if it is about more.
        matters: Tells whether a change of a file of this path can matter.
    """

    def __init__(self, schedule_scan: Callable[[float, str | None], object], matters: Callable[[str], bool]) -> None:
        self._schedule_scan = schedule_scan
        self._matters = matters
        self._observer: BaseObserver | None = None
        self._events = 0  # counted on watchdog's one thread that dispatches them
        # folder -> what watches it, its inode then, and whether the folders below it count too.
        self._watched: dict[str, tuple[ObservedWatch, int, bool]] = {}

    def watch(self, folders: Mapping[str, bool]) -> bool:
        """Watch exactly these folders: folder -> whether the folders below it count too.

        Returns:
            Whether any is watched newly, so that what changed in it before went unseen.

        Raises:
            OSError: The system has no more watches to give.
        """
        from watchdog.observers import Observer  # here: `import ponyreload` is to import no watcher

        if self._observer is None:
            _quieten()
            self._observer = Observer()
            self._observer.start()
        for folder, (watch, inode, deep) in list(self._watched.items()):
            # A folder that was deleted and made again is another one, and the old watch is blind to it.
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
        """The folders that are watched, and whether the folders below each count too. From any thread."""
        return {folder: deep for folder, (_, _, deep) in self._watched.copy().items()}

    @property
    def emitters(self) -> Sequence[Any]:
        """The threads of watchdog's that watch, one for each folder."""
        return () if self._observer is None else tuple(self._observer.emitters)

    def dispatch(self, event: FileSystemEvent) -> None:
        """Take an event; watchdog calls this on its own thread."""
        self._events += 1
        if self._events % FLOOD_EVENTS == 0:
            self._schedule_scan(FLOOD_SECONDS, None)
        if event.is_directory:
            # A folder is "modified" by whatever happens in it, and that has an event of its own.
            if event.event_type != "modified":
                self._schedule_scan(WRITING_SECONDS, None)
            return
        paths = [os.fsdecode(path) for path in (event.src_path, event.dest_path) if path]
        paths = [path for path in paths if self._matters(path)]
        if paths:
            # One that is created with contents was moved here from a folder that is not watched.
            is_written = event.event_type == "created" and not _is_empty(event.src_path)
            is_whole = is_written or event.event_type not in ("modified", "created")
            self._schedule_scan(0 if is_whole else WRITING_SECONDS, paths[0] if len(paths) == 1 else None)

    def stop(self) -> None:
        """End the threads. Safe to call twice."""
        observer, self._observer = self._observer, None
        self._watched.clear()
        if observer is not None:
            observer.stop()
            observer.join()


def _quieten() -> None:
    """Keep out of the log what watchdog says of each event, unless the user has asked for that, and of its own end.

    In a log file that is itself in a watched folder, each line would be the next event.
    """
    for name in ("watchdog", "fsevents"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.INFO)
    logging.getLogger("watchdog.observers.inotify").addFilter(_is_no_end)


def _is_no_end(record: logging.LogRecord) -> bool:
    # An error to watchdog, but what becomes of any thread that is stopped between two events.
    return "when the thread is inactive" not in str(record.msg)


def _interesting() -> list[type[Any]]:
    """Return the events that can tell of new contents; not those of reading, which loading itself would cause."""
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
    """Return the inode of a folder that is there; 0 if there is none."""
    try:
        return os.stat(folder).st_ino or 1 if os.path.isdir(folder) else 0
    except OSError:
        return 0


def is_patched() -> bool:
    """Tell whether gevent has made greenlets of all threads: watchdog's would keep the others from running."""
    # Another thread may be importing it at this moment.
    tell = getattr(sys.modules.get("gevent.monkey"), "is_module_patched", None)
    return tell is not None and bool(tell("threading"))


def events_arrive(folder: str, mounts: str = "/proc/self/mounts") -> bool:
    """Tell whether changes in *folder* make events: not where another machine makes the changes."""
    try:
        with open(mounts, encoding="utf-8", errors="replace") as table:
            rows = [line.split()[1:3] for line in table]
    except OSError:
        return True  # no such table here: not Linux
    folder = os.path.join(os.path.realpath(folder), "")
    best = ("", "")
    for place, kind in rows:
        place = os.path.join(place.replace("\\040", " "), "")
        if folder.startswith(place) and len(place) >= len(best[0]):
            best = (place, kind)
    return best[1] not in REMOTE + REMOTE_FUSE
