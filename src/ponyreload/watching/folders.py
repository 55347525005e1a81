"""Folders: which ones to watch."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable

from ponyreload.generations.generation import Generation
from ponyreload.watching.extra import extra_folders
from ponyreload.watching.files import Files
from ponyreload.watching.strangers import Strangers

__all__ = ["Folders"]


class Folders:
    """Knows the folders in which a change may matter. Used by one thread, the updater's."""

    def __init__(self, files: Files, strangers: Strangers) -> None:
        self._files = files
        self._strangers = strangers
        # The folders of the modules when they were last worked out, and what they depended on.
        self._known: tuple[tuple[object, ...], dict[str, bool]] | None = None

    def to_watch(self, serving: Generation) -> dict[str, bool]:
        """Return the folders to watch, and whether the folders below each count too."""
        folders = self._of_modules(serving).copy()
        failed = self._files.failed_load
        for base in serving.missing | (failed.missing if failed else set()):
            folders.setdefault(os.path.dirname(base), False)
        for folder, deep in extra_folders(self._files.options.extra_files).items():
            folders[folder] = folders.get(folder, False) or deep
        folders = {folder: deep for folder, deep in folders.items() if os.path.isdir(folder)}
        covering = tuple(os.path.join(folder, "") for folder, deep in folders.items() if deep)
        return {folder: deep for folder, deep in folders.items() if not folder.startswith(covering)}

    def _of_modules(self, serving: Generation) -> dict[str, bool]:
        """Return the folders of the modules; the known ones, if nothing has changed and no link is among them."""
        failed = self._files.failed_load
        extent = serving.files.copy(), len(sys.modules), failed
        if self._known is not None and self._known[0] == extent:
            return self._known[1]
        named = [*extent[0].items(), *(list(failed.files.items()) if failed else ()), *self._strangers.find()]
        folders: dict[str, bool] = {}
        real = functools.cache(os.path.realpath)  # many files share a folder
        links = [_add_folders(folders, name, file, real) for name, file in named]
        self._known = None if any(links) else (extent, folders)
        return folders


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
