"""Isolation: libraries that are loaded with each generation, because the option `isolate` names them."""

from __future__ import annotations

import os
from types import CodeType
from typing import Any

from ponyreload.options import marking

__all__ = ["is_isolated", "is_library", "isolate", "isolated", "library_code"]

# The names given so far. They are global: a process has one reloader.
_isolated: tuple[str, ...] = ()
_included: tuple[str, ...] = ()
# The code of libraries is kept, so that a load only has to run it:
#   "/lib/django/apps/registry.py" -> ((mtime in ns, size in bytes, inode), <code>)
_codes: dict[str, tuple[tuple[int, int, int], CodeType]] = {}


def isolate(names: tuple[str, ...], included: tuple[str, ...]) -> None:
    """Set which packages and modules are isolated. Those that are *included* too are watched all the same."""
    global _isolated, _included
    _isolated, _included = names, included


def isolated() -> tuple[str, ...]:
    """Return the names of the isolated libraries."""
    return _isolated


def is_isolated(name: str) -> bool:
    """Tell whether module *name* is loaded with each generation because `isolate` names it."""
    return marking.is_named_by(name, _isolated) and not marking.is_named_by(name, _included)


def is_library(name: str, file: str) -> bool:
    """Tell whether a user module is part of an isolated library, which nobody edits: its file is not watched."""
    return is_isolated(name) and not marking.is_project_file(file)


def library_code(name: str, file: str, loader: Any) -> CodeType:
    """Return the code of a library's module, which may come from a .pyc file.

    Reads the file again if it has changed since the last load.

    Raises:
        OSError, SyntaxError, ValueError: As on importing it.
    """
    status = os.stat(file)
    signature = (status.st_mtime_ns, status.st_size, status.st_ino)
    known = _codes.get(file)
    if known is None or known[0] != signature:
        known = _codes[file] = (signature, loader.get_code(name))
    return known[1]
