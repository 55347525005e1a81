"""Extra files: what the patterns of `extra_files=` stand for."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable

__all__ = ["extra_folders", "find_extra_files"]


def find_extra_files(patterns: Iterable[str]) -> set[str]:
    """Return the files that the patterns match now; a folder stands for every file below it.

    Args:
        patterns: Absolute paths and globs:  "/site/shop.toml", "/site/texts", "/site/pages/**/*.html"
    """
    found: set[str] = set()
    for pattern in patterns:
        if os.path.isdir(pattern):
            pattern = os.path.join(glob.escape(pattern), "**", "*")
        matches = glob.iglob(pattern, recursive=True) if glob.has_magic(pattern) else (pattern,)
        found.update(file for file in matches if os.path.isfile(file))
    return found


def extra_folders(patterns: Iterable[str]) -> dict[str, bool]:
    """Return the folders in which extra files may come and go, and whether the folders below each count too."""
    folders: dict[str, bool] = {}
    for pattern in patterns:
        folder = pattern
        while glob.has_magic(folder):
            folder = os.path.dirname(folder)
        # Deep: a folder that is named itself, and a glob that goes further down than the folder's own files.
        deep = os.path.isdir(folder) and (folder == pattern or folder != os.path.dirname(pattern))
        while not os.path.isdir(folder):
            folder = os.path.dirname(folder)  # where it may be created
        folders[folder] = folders.get(folder, False) or deep
    return folders
