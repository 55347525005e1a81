"""Specs: remembers where the modules of packages are, for as long as their folders do not change."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.machinery import FileFinder, ModuleSpec, PathFinder, SourceFileLoader
from typing import NamedTuple

from ponyreload.code.sources import YOUNG_NS
from ponyreload.options import marking
from ponyreload.project import HiddenError, own_imports

__all__ = ["Specs", "copied", "folder_of", "forget_listings", "is_candidate"]


class Found(NamedTuple):
    """A spec, and the folders whose times tell whether a search would find it again.

    Sample row: ``Found(<spec 'shop.cart'>, "/site/shop", {"/site/shop": 1732310000000000000})``.
    """

    spec: ModuleSpec
    folder: str
    times: dict[str, int]


class Specs:
    """Finds what `PathFinder` finds, with fewer searches: a load asks for every user module, and few ever move.

    The modification time of a folder changes when a file in it comes or goes.

    Threads: any thread may search. Rows are never changed, only replaced as a whole.
    """

    def __init__(self) -> None:
        self._found: dict[str, Found] = {}

    def search(self, name: str, path: Sequence[str] | None) -> ModuleSpec | None:
        """Ask the finders where a module is, each as the import system does; the arguments as for `find`."""
        for finder in list(sys.meta_path):
            if hasattr(finder, "find_spec"):
                is_plain = finder is PathFinder
                spec = self.find(name, path) if is_plain else finder.find_spec(name, path, None)
                if spec is not None:
                    return spec
        return None

    def find(self, name: str, path: Sequence[str] | None) -> ModuleSpec | None:
        """Return a new spec of a module, or None if there is no such module.

        Args:
            name: In full:  "shop.cart"
            path: Where to search: the `__path__` of its package; None for a module of no package.
        """
        # A namespace package works out its path for each import; a path with several folders is rare.
        if type(path) is not list or len(path) != 1:
            return PathFinder.find_spec(name, path)
        found = self._found.get(name)
        if found is not None and found.folder == path[0] and all(_time(each) == at for each, at in found.times.items()):
            return copied(found.spec)
        spec = PathFinder.find_spec(name, path)
        self._found.pop(name, None)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            # The time of the second changes when a package loses its `__init__`, or a folder gets one.
            folders = (path[0], os.path.join(path[0], name.rpartition(".")[2]))
            times = {folder: at for folder in folders if (at := _time(folder)) is not None}
            if time.time_ns() - max(times.values(), default=0) > YOUNG_NS:
                spec.cached  # noqa: B018 - works it out once, for all copies
                self._found[name] = Found(copied(spec), path[0], times)
        return spec


def is_candidate(spec: ModuleSpec, is_included: Callable[[str], bool]) -> bool:
    """Tell whether a module that no generation has loaded yet may be a user module."""
    if not isinstance(spec.loader, SourceFileLoader) or marking.is_named_by(spec.name, ("ponyreload",)):
        return False
    return marking.is_project_file(spec.origin) or is_included(spec.name)


def forget_listings() -> None:
    """Have the finders list their folders anew: they may have missed a change within a tick of the clock.

    The finder of a relative entry of `sys.path` knows which folder that was when it was first searched. Python drops
    it here, because the current folder may have changed since; but then the modules are still where they were.
    """
    relative = {path: finder for path, finder in sys.path_importer_cache.items() if path and not os.path.isabs(path)}
    for finder in list(sys.meta_path):
        # Python 3.12 and newer import `importlib.metadata` for it, last of all.
        with suppress(HiddenError), own_imports():
            getattr(finder, "invalidate_caches", bool)()
    for path, each in relative.items():
        if each is not None:
            getattr(each, "invalidate_caches", bool)()
            sys.path_importer_cache[path] = each


def folder_of(entry: str) -> str:
    """Return the absolute folder that an entry of `sys.path` leads to, also if the current folder has changed since."""
    finder = None if os.path.isabs(entry) else sys.path_importer_cache.get(entry)
    return os.path.abspath(finder.path if isinstance(finder, FileFinder) else entry)


def _time(folder: str) -> int | None:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return None


def copied(spec: ModuleSpec) -> ModuleSpec:
    """Return a copy of a spec: who runs a module changes its spec."""
    new: ModuleSpec = object.__new__(type(spec))
    vars(new).update(vars(spec))
    if spec.submodule_search_locations is not None:
        new.submodule_search_locations = list(spec.submodule_search_locations)
    return new
