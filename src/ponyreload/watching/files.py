"""Files: which ones an application is made of, and which of them have other contents now."""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import NamedTuple

from ponyreload.code.sources import Source, Sources
from ponyreload.generations.generation import Generation
from ponyreload.imports.isolation import is_library, isolate
from ponyreload.imports.names import namespace_of
from ponyreload.imports.routed import RoutedModule
from ponyreload.options.marking import is_project_file
from ponyreload.options.options import Options

__all__ = ["Files"]

IMPORTED_NS = time.time_ns()

# What a look at the files found:  "/site/shop/cart.py" -> digest, or None where there is no readable file;
# for a module that was looked for in vain:  "/site/local_settings" -> whether there is one now.
State = dict[str, object]


class Attempt(NamedTuple):
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
        self._failed: Attempt | None = None
        # Extra files that were there at the last look, and the contents of those that what serves was loaded with.
        self._extra: set[str] = set()
        self._served_extra: State = {}
        # The folders of the modules at the last time, and what they depended on.
        self._folders: tuple[tuple[object, ...], dict[str, bool]] | None = None
        # The project's files that are no user modules:  "/site/conf.py" -> ("conf", digest)
        self._strangers: dict[str, tuple[str, object]] = {}

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
        for file in Options(extra_files=new).find_extra_files():
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
        state = self._state(serving, self._failed)
        # Most looks find nothing, and are done with it here.
        changed = set() if state == self._tried else self._difference(state, _digests(serving) | self._tried)
        # An extra file that is there no more has changed too; not so a module that is imported no more.
        changed |= self._extra - state.keys()
        self._extra = self.options.find_extra_files()
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
        return bool(self._difference(self._state(serving, loading or self._failed), known))

    def changed_modules(self, serving: Generation, changed: Iterable[str]) -> set[str] | None:
        """Return the names of the modules whose files differ from what *serving* was loaded from, by the last look.

        None if something else has changed too: a file that any module may have read, or one where none was.
        """
        of_failed = self._failed.sources.keys() | self._failed.missing if self._failed else set()
        if any(file not in serving.sources and file not in of_failed for file in changed):
            return None
        return {name for name, file in list(serving.files.items()) if file in self._unserved}

    def are_as_served(self, serving: Generation) -> bool:
        """Tell whether the files hold again just what *serving* was loaded from."""
        return (
            self._failed is not None
            and self._sources.digests(serving.sources) == _digests(serving)
            and self._sources.digests(self.options.find_extra_files()) == self._served_extra
            and not any(map(_is_module, serving.missing))
        )

    @staticmethod
    def _difference(state: State, known: State) -> set[str]:
        # False, no module there, is as good as None, no file there.
        return {file for file, value in state.items() if (known.get(file) or None) != (value or None)}

    def _state(self, serving: Generation, other: Generation | Attempt | None) -> State:
        # Lists first: the modules of the generations may import more meanwhile.
        files = self.options.find_extra_files().union(list(serving.sources))
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

    def changed_strangers(self) -> list[tuple[str, str]]:
        """Return name and file of the project's system modules whose contents changed since the last look."""
        changed = []
        for file, (name, before) in list(self._strangers.items()):
            digest = self._digest(file)
            if digest != before:
                self._strangers[file] = (name, digest)
                changed.append((name, file))
        return changed

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
        self._failed = None
        self._unserved.clear()
        self._served_extra = {file: self._tried.get(file) for file in self._extra}
        self._note(generation)

    def failed(self, generation: Generation) -> None:
        """Note that a load failed: whatever it read may mend it."""
        self._failed = Attempt(generation.sources, generation.missing, generation.files)
        self._note(generation)

    def _note(self, generation: Generation) -> None:
        # What it has taken over counts as tried since it was loaded.
        self._tried |= {file: source.digest for file, source in generation.own_sources().items()}

    def begin_in_child(self, serving: Generation) -> None:
        """Begin anew in a forked process: only what serves counts as tried, as a load of the parent is not here."""
        self._failed = None
        self._unserved.clear()
        self._tried = _digests(serving) | self._served_extra
        self._extra = set(self._served_extra)

    # -- compiling -------------------------------------------------------------------------------------------

    def compile(self, changed: Iterable[str], serving: Generation) -> dict[str, BaseException]:
        """Compile the changed files that are source of user modules; return those that do not compile, and why."""
        broken: dict[str, BaseException] = {}
        changed = set(changed)
        loaders = {
            file: getattr(serving.modules.get(name), "__loader__", None)
            for name, file in list(serving.files.items())
            if file in changed
        }
        for file in changed:
            if is_project_file(file) and self._digest(file) is not None:
                try:
                    self._sources.read(file).code(loaders.get(file))
                except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                    broken[file] = error
                except OSError:
                    pass  # gone this instant; its import will tell
        return broken

    @staticmethod
    def any_needed(generation: Generation, broken: Iterable[str]) -> bool:
        """Tell whether a loaded generation may import one of the broken files late: its text names the module."""
        for file in broken:
            stem = os.path.splitext(os.path.basename(file))[0]
            name = os.path.basename(os.path.dirname(file)) if stem == "__init__" else stem
            if any(name.encode() in source.data for source in generation.sources.values()):
                return True
        return False

    # -- watching --------------------------------------------------------------------------------------------

    def matter(self, path: str) -> bool:
        """Tell whether a change of the file *path* can matter: Python source, or an extra file."""
        if path.endswith((".py", ".pyw")) or path in self._tried:
            return True
        return any(path.startswith(os.path.join(folder, "")) for folder in self.options.extra_folders())

    def folders(self, serving: Generation) -> dict[str, bool]:
        """Return the folders to watch, and whether the folders below each count too."""
        folders = self._module_folders(serving).copy()
        for base in serving.missing | (self._failed.missing if self._failed else set()):
            folders.setdefault(os.path.dirname(base), False)
        for folder, deep in self.options.extra_folders().items():
            folders[folder] = folders.get(folder, False) or deep
        folders = {folder: deep for folder, deep in folders.items() if os.path.isdir(folder)}
        covering = tuple(os.path.join(folder, "") for folder, deep in folders.items() if deep)
        return {folder: deep for folder, deep in folders.items() if not folder.startswith(covering)}

    def _module_folders(self, serving: Generation) -> dict[str, bool]:
        """Return the folders of the modules; as at the last time, if nothing has changed and no link is among them."""
        extent = serving.files.copy(), len(sys.modules), self._failed
        if self._folders is not None and self._folders[0] == extent:
            return self._folders[1]
        has_links = False
        folders: dict[str, bool] = {}
        real = functools.cache(os.path.realpath)  # many files share a folder
        for name, file in _named_files(serving, self._failed):
            has_links |= _add_folders(folders, name, file, real)
        has_links |= self._find_strangers(folders, real)
        self._folders = None if has_links else (extent, folders)
        return folders

    def _find_strangers(self, folders: dict[str, bool], real: Callable[[str], str]) -> bool:
        has_links = False
        strangers: dict[str, tuple[str, object]] = {}
        for name, module in list(sys.modules.items()):
            # `__mp_main__` is what multiprocessing calls `__main__` besides, in a process that it has spawned.
            if type(module) is not RoutedModule and isinstance(module, ModuleType) and name != "__mp_main__":
                file = vars(module).get("__file__")
                if isinstance(file, str) and is_project_file(file):
                    strangers[file] = self._strangers.get(file) or (name, self._digest(file))
                    has_links |= _add_folders(folders, name, file, real)
        self._strangers = strangers
        return has_links


def _is_module(base: str) -> bool:
    return os.path.exists(base + ".py") or os.path.isdir(base)


def _digests(generation: Generation | Attempt) -> State:
    return {file: source.digest for file, source in list(generation.sources.items())}


def _named_files(*several: Generation | Attempt | None) -> Iterable[tuple[str, str]]:
    for generation in several:
        yield from list(generation.files.items()) if generation else ()


def _add_folders(folders: dict[str, bool], name: str, file: str, real: Callable[[str], str]) -> bool:
    """Add the folders of a module: all of its top-level package, and the one that this lies in.

    Returns:
        Whether a link leads to it, which may lead elsewhere later.
    """
    own, base = os.path.split(file)
    folder = own
    depth = name.count(".") + (base.startswith("__init__."))
    if name != "__main__":
        for level in range(depth):
            if level == depth - 1:
                folders[folder] = True
            folder = os.path.dirname(folder)
    folders.setdefault(folder, False)
    # Changes made through a link's target are seen there only.
    target = os.path.dirname(os.path.realpath(file)) if os.path.islink(file) else real(own)
    if target != own:
        folders.setdefault(target, False)
        while folder != os.path.dirname(folder):
            if os.path.islink(folder):
                folders.setdefault(os.path.dirname(folder), False)
            folder = os.path.dirname(folder)
    return target != own


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
