"""Strangers: files of the project that change, and are not reloaded. The developer is told, with the way out."""

from __future__ import annotations

import logging

from ponyreload.imports.advice import find_unreadable
from ponyreload.reporting import say, shown
from ponyreload.watching.files import Files

__all__ = ["Strangers"]


class Strangers:
    """Reports system modules of the project. Used by the updater's thread."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._reported: set[str] = set()  # marked modules that have no source file

    def tell_of_changed(self) -> None:
        """Say of each of the project's system modules that has changed that it will not be reloaded."""
        for name, file in self._files.changed_strangers():
            what = f"{shown(file)} changed, but {name} is no user module: only a restart brings it in"
            say(f'{what}; mark it with "from ponyreload import *" to have it reloaded after that', logging.WARNING)

    def tell_of_unreadable(self) -> None:
        """Say of each marked module that has no source file why it will not be reloaded; once."""
        for name, file in find_unreadable().items():
            if name not in self._reported:
                self._reported.add(name)
                why = f"{name} is marked, but has no source file that can be read again ({file})"
                say(f"{why}: it stays as it is; unpack the archive that holds it to have it reloaded", logging.WARNING)
