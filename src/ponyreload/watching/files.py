"""Files: the contents that were last tried, compared with what is on disk."""

from __future__ import annotations

import importlib.util
import os
import stat
import threading
import time
from collections.abc import Iterable
from typing import NamedTuple

from ponyreload.code.sources import Source, Sources
from ponyreload.generations.generation import Generation
from ponyreload.imports.isolation import is_library, isolate
from ponyreload.imports.names import namespace_of
from ponyreload.options.options import Options
from ponyreload.watching.extra import extra_folders, find_extra_files

__all__ = ["Files"]

IMPORTED_NS = time.time_ns()

# The digest of contents that nobody knows; it differs from that of any file.
UNKNOWN = b""

# What a scan found:  "/site/shop/cart.py" -> digest, or None where there is no readable file;
# for a module that was looked up in vain:  "/site/local_settings" -> whether there is one now.
State = dict[str, object]


class FailedLoad(NamedTuple):
    """What a load that failed has read; kept in place of its generation, which is to be freed."""

    sources: dict[str, Source]
    missing: set[str]
    files: dict[str, str]


class Files:
    """Knows the contents that were last tried, and compares them with what is on disk.

    Threads: any thread may call `adopt`, `add_options` and `matter`, and read `options`; the rest is for the updater's
    thread, to which the tables belong. Two of them get entries from other threads: `lock` protects `options` and the
    extra files that are served, so that a scan meets both or neither of what `add_options` adds. It is held for a copy
    or an assignment, not while files are read, and over a fork. `adopt` writes to the generation only. Requests may
    import at any time, and so add to a generation's tables: these are copied in one step before they are iterated over.

    Attributes:
        options: All options given so far.
        failed_load: The last load, if it failed; whatever it read may mend it.
    """

    def __init__(self, sources: Sources) -> None:
        self.lock = threading.Lock()
        self.options = Options()
        self.failed_load: FailedLoad | None = None
        self._sources = sources
        self._tried: State = {}
        self._unserved: set[str] = set()  # files that have changed since the load of what serves
        # Extra files that scans have found since a generation was published, and the contents that it was loaded with.
        self._extra: set[str] = set()
        self._served: State = {}

    def adopt(self, generation: Generation, name: str) -> None:
        """Note the file of a module that Python has imported, and that now is part of generation 1."""
        file = namespace_of(name, generation.modules[name]).get("__file__")
        if file is None or is_library(name, file):
            return
        try:
            source = self._sources.read(file)
        except OSError:
            return
        if _may_have_run_other_bytes(file):
            source = Source(file, source.data)
            source.digest = UNKNOWN  # so that it is loaded again, to make sure
        generation.sources[file] = source
        generation.files[name] = file

    def add_options(self, options: Options) -> bool:
        """Take more options; what the extra files that they name for the first time hold now counts as known.

        Returns:
            Whether they are new.
        """
        new = [pattern for pattern in options.extra_files if pattern not in self.options.extra_files]
        found = self._sources.digests(find_extra_files(new))
        with self.lock:
            before, self.options = self.options, self.options.joined(options)
            isolate(self.options.isolate, self.options.included)
            self._served = found | self._served
            return self.options != before

    # -- comparing -------------------------------------------------------------------------------------------

    def changes(self, serving: Generation, paths: set[str] | None = None) -> set[str]:
        """Return the files whose contents differ from those last tried; from now on these count as tried.

        Args:
            serving: The generation that serves.
            paths: The only files to scan, if what serves has all of them; None for all files.
        """
        state, is_whole = self._scan(serving, self.failed_load, paths)
        if state == self._tried:
            return set()  # as in most scans
        changed = self._difference(state, serving, self._tried)
        self._unserved |= changed
        self._tried = state if is_whole else self._tried | state
        return changed

    def differ(self, serving: Generation, loading: Generation | None = None, paths: set[str] | None = None) -> bool:
        """Tell whether there are contents that the last load has not seen; *paths* as for `changes`."""
        state, _ = self._scan(serving, loading or self.failed_load, paths)
        return bool(self._difference(state, serving, self._tried, loading))

    def changed_modules(self, serving: Generation, changed: Iterable[str]) -> set[str] | None:
        """Return the names of the modules whose files differ from what *serving* was loaded from, by the last scan.

        None if something else has changed too: a file that any module may have read, or one where none was.
        """
        failed = self.failed_load
        tables = (serving.sources, failed.sources, failed.missing) if failed else (serving.sources,)
        if any(not any(file in table for table in tables) for file in changed):
            return None
        return {name for name, file in list(serving.files.items()) if file in self._unserved}

    def are_as_served(self, serving: Generation) -> bool:
        """Tell whether the files, after a load that failed, hold again just what *serving* was loaded from."""
        if self.failed_load is None:
            return False
        state, _ = self._scan(serving, None)
        return not self._difference(state, serving, tried={})

    def _scan(
        self, serving: Generation, other: Generation | FailedLoad | None, paths: set[str] | None = None
    ) -> tuple[State, bool]:
        """Return what is on disk now of all that *serving* and *other* have read, and of the extra files.

        Where *paths* are source of *serving*, these are enough; the second item tells whether all was scanned.
        """
        if paths is not None and paths <= serving.sources.keys():
            return self._sources.digests(paths), False
        with self.lock:
            patterns, served = self.options.extra_files, self._served
        # Also those that were there before: if one is gone now, that is a change.
        self._extra |= find_extra_files(patterns) | served.keys()
        files = self._extra.union(list(serving.sources))
        missing = serving.missing.copy()
        if other is not None:
            files.update(list(other.sources))
            missing |= other.missing
        state: State = self._sources.digests(files)
        state.update((base, os.path.exists(base + ".py") or os.path.isdir(base)) for base in missing)
        return state, True

    def _difference(
        self, state: State, serving: Generation, tried: State, loading: Generation | None = None
    ) -> set[str]:
        """Return the files that differ from what *loading* has read, else from *tried*, else from what is served."""
        with self.lock:
            served = self._served
        read = {} if loading is None else loading.sources
        changed = set()
        for file, value in state.items():
            source = read.get(file)
            if source is None and file in tried:
                known = tried[file]
            else:
                source = source or serving.sources.get(file)
                known = served.get(file) if source is None else source.digest
            # False, no module there, is as good as None, no file there.
            if (known or None) != (value or None):
                changed.add(file)
        return changed

    @staticmethod
    def any_is_empty(changed: Iterable[str]) -> bool:
        """Tell whether one of the changed files is empty, as it is while an editor writes it in place."""
        return any(map(_is_empty, changed))

    @staticmethod
    def is_truncated(loaded: Generation, serving: Generation) -> bool:
        """Tell whether *loaded* has found a file empty that *serving* has not: an editor may be about to write it."""
        empty = [file for file, source in loaded.own_sources().items() if not source.data]
        return any((before := serving.sources.get(file)) is None or before.data for file in empty)

    # -- outcomes --------------------------------------------------------------------------------------------

    def served(self, generation: Generation) -> None:
        """Note that a generation is published."""
        self.failed_load = None
        self._unserved.clear()
        with self.lock:
            newest = self._served | self._tried
            extra = self._extra | self._served.keys()
            self._served = {file: newest[file] for file in extra if newest.get(file) is not None}
        self._extra = set(self._served)  # those that are gone are scanned no more
        self._note(generation)

    def failed(self, generation: Generation) -> None:
        """Note that a load failed: whatever it read may mend it."""
        self.failed_load = FailedLoad(generation.sources, generation.missing, generation.files)
        self._note(generation)

    def _note(self, generation: Generation) -> None:
        # What it has taken over counts as tried since it was loaded.
        self._tried |= {file: source.digest for file, source in generation.own_sources().items()}

    def begin_in_child(self) -> None:
        """Reset the state in a forked process: only what serves counts as tried; the lock is held."""
        self.failed_load = None
        self._unserved.clear()
        self._tried = {}
        self._extra = set()

    # -- watching --------------------------------------------------------------------------------------------

    def matter(self, path: str) -> bool:
        """Tell whether a change of the file *path* can matter: Python source, or an extra file."""
        if path.endswith((".py", ".pyw")) or path in self._tried:
            return True
        return any(path.startswith(os.path.join(folder, "")) for folder in extra_folders(self.options.extra_files))


def _is_empty(path: str) -> bool:
    try:
        status = os.stat(path)
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size == 0


def _may_have_run_other_bytes(file: str) -> bool:
    """Tell whether Python may have run something else than the bytes that *file* holds now.

    That is so if it was written after we were imported, or if the .pyc that Python believes to be up to date
    (same second, same size) is older than it.
    """
    try:
        written = os.stat(file).st_mtime_ns
        return written > IMPORTED_NS or os.stat(importlib.util.cache_from_source(file)).st_mtime_ns < written
    except (OSError, NotImplementedError):
        return False
