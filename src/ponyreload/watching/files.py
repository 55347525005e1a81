"""Files: the contents that were last tried, compared with what is on disk."""

from __future__ import annotations

import importlib.util
import os
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

# What a look at the files found:  "/site/shop/cart.py" -> digest, or None where there is no readable file;
# for a module that was looked for in vain:  "/site/local_settings" -> whether there is one now.
State = dict[str, object]


class FailedLoad(NamedTuple):
    """What a load that failed has read; kept in place of its generation, which is to go."""

    sources: dict[str, Source]
    missing: set[str]
    files: dict[str, str]


class Files:
    """Knows the contents that were last tried, and compares them with what is on disk.

    Used by the reloader's thread, after `adopt` and `add` in the thread that turns autoreload on.
    """

    def __init__(self, sources: Sources) -> None:
        self.options = Options()
        self._sources = sources
        self._tried: State = {}
        # Files that have changed since what serves was loaded.
        self._unserved: set[str] = set()
        self.failed_load: FailedLoad | None = None
        # Extra files that were there at the last look, and the contents of those that what serves was loaded with.
        self._extra: set[str] = set()
        self._served_extra: State = {}

    def adopt(self, generation: Generation, name: str) -> None:
        """Note the file of a module that Python has imported, and that now is part of generation 1."""
        file = namespace_of(name, generation.modules[name]).get("__file__")
        if file is None or is_library(name, file):
            return
        try:
            generation.sources[file] = self._sources.read(file)
            generation.files[name] = file
            if _may_have_run_other_bytes(file):
                self._tried[file] = None  # differs from whatever is there: a reload makes sure
        except OSError:
            self._tried[file] = None

    def add(self, options: Options) -> bool:
        """Take more options; what the extra files that they name for the first time hold now counts as known.

        Returns:
            Whether they say anything new.
        """
        new = tuple(pattern for pattern in options.extra_files if pattern not in self.options.extra_files)
        before, self.options = self.options, self.options.joined(options)
        isolate(self.options.isolate, self.options.included)
        for file in find_extra_files(new):
            self._served_extra[file] = self._tried.setdefault(file, self._digest(file))
            self._extra.add(file)
        return self.options != before

    # -- comparing -------------------------------------------------------------------------------------------

    def changes(self, serving: Generation, paths: set[str] | None = None) -> set[str]:
        """Return the files whose contents differ from those last tried; from now on these count as tried.

        Args:
            serving: The generation that serves.
            paths: The only files to look at, if they are all known; None for all.
        """
        if paths is not None and paths <= serving.sources.keys():
            state = self._sources.digests(paths)
            changed = self._difference(state, self._known(serving, paths))
            self._tried |= state
            self._unserved |= changed
            return changed
        state = self._state(serving, self.failed_load)
        # Most looks find nothing, and are done with it here.
        changed = set() if state == self._tried else self._difference(state, _digests(serving) | self._tried)
        # An extra file that is there no more has changed too; not so a module that is imported no more.
        changed |= self._extra - state.keys()
        self._extra = find_extra_files(self.options.extra_files)
        self._tried = state
        self._unserved |= changed
        return changed

    def _known(self, serving: Generation, paths: set[str]) -> State:
        return {path: self._tried.get(path, serving.sources[path].digest) for path in paths}

    def differ(self, serving: Generation, loading: Generation | None = None, paths: set[str] | None = None) -> bool:
        """Tell whether there are contents that the last load has not seen; *paths* as for `changes`."""
        if paths is not None and paths <= serving.sources.keys():
            known = self._known(serving, paths)
            read = {} if loading is None else loading.sources
            known |= {path: read[path].digest for path in paths & read.keys()}
            return bool(self._difference(self._sources.digests(paths), known))
        known = _digests(serving) | self._tried
        if loading is not None:
            known |= _digests(loading)
        return bool(self._difference(self._state(serving, loading or self.failed_load), known))

    def changed_modules(self, serving: Generation, changed: Iterable[str]) -> set[str] | None:
        """Return the names of the modules whose files differ from what *serving* was loaded from, by the last look.

        None if something else has changed too: a file that any module may have read, or one where none was.
        """
        of_failed = self.failed_load.sources.keys() | self.failed_load.missing if self.failed_load else set()
        if any(file not in serving.sources and file not in of_failed for file in changed):
            return None
        return {name for name, file in list(serving.files.items()) if file in self._unserved}

    def are_as_served(self, serving: Generation) -> bool:
        """Tell whether the files hold again just what *serving* was loaded from."""
        return (
            self.failed_load is not None
            and self._sources.digests(serving.sources) == _digests(serving)
            and self._sources.digests(find_extra_files(self.options.extra_files)) == self._served_extra
            and not any(map(_is_module, serving.missing))
        )

    @staticmethod
    def _difference(state: State, known: State) -> set[str]:
        # False, no module there, is as good as None, no file there.
        return {file for file, value in state.items() if (known.get(file) or None) != (value or None)}

    def _state(self, serving: Generation, other: Generation | FailedLoad | None) -> State:
        # Lists first: the modules of the generations may import more meanwhile.
        files = find_extra_files(self.options.extra_files).union(list(serving.sources))
        missing = set(serving.missing)
        if other is not None:
            files.update(list(other.sources))
            missing |= other.missing
        state: State = self._sources.digests(files)
        state.update((base, _is_module(base)) for base in missing)
        return state

    def _digest(self, file: str) -> object:
        try:
            return self._sources.read(file).digest
        except OSError:
            return None

    def any_is_empty(self, changed: Iterable[str]) -> bool:
        """Tell whether one of the changed files is empty, as it is while an editor writes it in place."""
        return any(file for file in changed if os.path.isfile(file) and os.path.getsize(file) == 0)

    @staticmethod
    def is_truncated(loaded: Generation, serving: Generation) -> bool:
        """Tell whether *loaded* has found a file empty that *serving* has not: an editor may be about to write it."""
        before = serving.sources
        return any(
            not source.data and (file not in before or before[file].data)
            for file, source in loaded.own_sources().items()
        )

    # -- outcomes --------------------------------------------------------------------------------------------

    def served(self, generation: Generation) -> None:
        """Note that a generation is published."""
        self.failed_load = None
        self._unserved.clear()
        self._served_extra = {file: self._tried.get(file) for file in self._extra}
        self._note(generation)

    def failed(self, generation: Generation) -> None:
        """Note that a load failed: whatever it read may mend it."""
        self.failed_load = FailedLoad(generation.sources, generation.missing, generation.files)
        self._note(generation)

    def _note(self, generation: Generation) -> None:
        # What it has taken over counts as tried since it was loaded.
        self._tried |= {file: source.digest for file, source in generation.own_sources().items()}

    def begin_in_child(self, serving: Generation) -> None:
        """Begin anew in a forked process: only what serves counts as tried, as a load of the parent is not here."""
        self.failed_load = None
        self._unserved.clear()
        self._tried = _digests(serving) | self._served_extra
        self._extra = set(self._served_extra)

    # -- watching --------------------------------------------------------------------------------------------

    def matter(self, path: str) -> bool:
        """Tell whether a change of the file *path* can matter: Python source, or an extra file."""
        if path.endswith((".py", ".pyw")) or path in self._tried:
            return True
        return any(path.startswith(os.path.join(folder, "")) for folder in extra_folders(self.options.extra_files))


def _is_module(base: str) -> bool:
    return os.path.exists(base + ".py") or os.path.isdir(base)


def _digests(generation: Generation | FailedLoad) -> State:
    return {file: source.digest for file, source in list(generation.sources.items())}


def _may_have_run_other_bytes(file: str) -> bool:
    """Tell whether Python may have run something else than the bytes that *file* holds now.

    That is so if it was written after we were imported, or if the .pyc that Python believes to be up to date
    (same second, same size) is older than it.
    """
    written = os.stat(file).st_mtime_ns
    if written > IMPORTED_NS:
        return True
    try:
        return os.stat(importlib.util.cache_from_source(file)).st_mtime_ns < written
    except (OSError, NotImplementedError):
        return False
