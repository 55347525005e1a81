"""Isolation: libraries that are loaded with each generation, and who goes on with the copy of one generation."""

from __future__ import annotations

import os
from types import CodeType
from typing import Any

from ponyreload.options import marking

__all__ = ["is_isolated", "is_library", "isolate", "isolated", "library_code"]

# What was named so far; there is one reloader in a process.
_isolated: tuple[str, ...] = ()
_included: tuple[str, ...] = ()
# The code of libraries, which is kept, so that a load need only run it:
#   "/lib/django/apps/registry.py" -> ((mtime in ns, size in bytes, inode), <code>)
_codes: dict[str, tuple[tuple[int, int, int], CodeType]] = {}


def isolate(names: tuple[str, ...], included: tuple[str, ...]) -> None:
    """Note which packages and modules are isolated; those among them that are *included* are watched all the same."""
    global _isolated, _included
    _isolated, _included = names, included


def isolated() -> tuple[str, ...]:
    """Return the names of the isolated libraries."""
    return _isolated


def is_isolated(name: str) -> bool:
    """Tell whether module *name* is loaded with each generation because `isolate=` names it."""
    return marking.is_named_by(name, _isolated) and not marking.is_named_by(name, _included)


def is_library(name: str, file: str) -> bool:
    """Tell whether a user module is part of an isolated library: nobody edits it, and its file is not watched."""
    return is_isolated(name) and not marking.is_project_file(file)


def library_code(name: str, file: str, loader: Any) -> CodeType:
    """Return the code of a library's module, which may come from a .pyc file.

    A file that has changed since the last load is read again.

    Raises:
        OSError, SyntaxError, ValueError: As importing it does.
    """
    status = os.stat(file)
    signature = (status.st_mtime_ns, status.st_size, status.st_ino)
    known = _codes.get(file)
    if known is None or known[0] != signature:
        known = _codes[file] = (signature, loader.get_code(name))
    return known[1]


# -- libraries that are not isolated, and should be --------------------------------------------------------------


# -- system modules that use what is isolated --------------------------------------------------------------------


# -- looking at modules ------------------------------------------------------------------------------------------


# -- saying it ---------------------------------------------------------------------------------------------------
