"""Specs: where the modules of packages are, remembered for as long as their folders stay as they were."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from typing import NamedTuple

from ponyreload.code.sources import YOUNG_NS

__all__ = ["Specs"]


class Found(NamedTuple):
    """A spec, and the folders whose times tell whether it would be found again.

    Sample row: ``Found(<spec 'shop.cart'>, "/site/shop", {"/site/shop": 1732310000000000000})``.
    """

    spec: ModuleSpec
    folder: str
    times: dict[str, int]


class Specs:
    """Finds what `PathFinder` finds. A load asks for every user module, and few have moved since the last one.

    The times of a folder change when a file in it comes or goes. Rows are replaced as a whole, so any thread may ask.
    """

    def __init__(self) -> None:
        self._found: dict[str, Found] = {}

    def find(self, name: str, path: Sequence[str] | None) -> ModuleSpec | None:
        """Return a spec of module *name* of its own; None if there is no such module.

        Args:
            name: In full:  "shop.cart"
            path: Where to look: the `__path__` of its package; None for a module of no package.
        """
        # A namespace package makes its path anew for each import; one with several folders is rare.
        if type(path) is not list or len(path) != 1:
            return PathFinder.find_spec(name, path)
        found = self._found.get(name)
        if found is not None and found.folder == path[0] and all(_time(each) == at for each, at in found.times.items()):
            return _copy(found.spec)
        spec = PathFinder.find_spec(name, path)
        self._found.pop(name, None)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            # Its own folder tells whether a package is one, and whether a module's folder has become one.
            folders = (path[0], os.path.join(path[0], name.rpartition(".")[2]))
            times = {folder: at for folder in folders if (at := _time(folder)) is not None}
            if time.time_ns() - max(times.values(), default=0) > YOUNG_NS:
                spec.cached  # noqa: B018 - worked out here, once, the copies have it
                self._found[name] = Found(_copy(spec), path[0], times)
        return spec


def _time(folder: str) -> int | None:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return None


def _copy(spec: ModuleSpec) -> ModuleSpec:
    new = object.__new__(ModuleSpec)
    vars(new).update(vars(spec))
    if spec.submodule_search_locations is not None:
        new.submodule_search_locations = list(spec.submodule_search_locations)
    return new
