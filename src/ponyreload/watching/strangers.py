"""Strangers: system modules of the project. A change of one is not reloaded, so it is reported, with the way out."""

from __future__ import annotations

import logging

from ponyreload.code.sources import Sources
from ponyreload.imports.advice import find_unreadable
from ponyreload.imports.names import file_of, unrouted_modules
from ponyreload.options.marking import is_project_file
from ponyreload.reporting import say, shown

__all__ = ["Strangers"]


class Strangers:
    """Finds the project's system modules, and reports those that change. Used by one thread, the updater's."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._names: dict[str, str] = {}  # "/site/conf.py" -> "conf"
        self._digests: dict[str, object] = {}  # "/site/conf.py" -> its digest when it was last checked
        self._reported: set[str] = set()  # names of marked modules that have no source file

    def find(self) -> list[tuple[str, str]]:
        """Find them; return the name and the file of each."""
        files = ((name, file_of(namespace)) for name, _, namespace in unrouted_modules())
        found = [(name, file) for name, file in files if file is not None and is_project_file(file)]
        self._names = {file: name for name, file in found}
        self._digests = self._sources.digests(self._names.keys() - self._digests.keys()) | self._digests
        return found

    def report_changed(self) -> None:
        """Report each of them whose contents have changed since it was last checked."""
        digests = self._sources.digests(self._names)
        for file, name in self._names.items():
            if digests[file] != self._digests[file]:
                what = f"{shown(file)} changed but is not reloaded ({name} is a system module)"
                say(f"{what}. Restart to pick it up, or mark it: from ponyreload import *", logging.WARNING)
        self._digests = digests

    def report_unreadable(self) -> None:
        """Report each marked module that has no source file, once: it cannot be reloaded."""
        for name, file in find_unreadable().items():
            if name not in self._reported:
                self._reported.add(name)
                why = f"{name} is marked, but has no source file to reload ({file})"
                say(f"{why}: unpack the archive that contains it", logging.WARNING)
