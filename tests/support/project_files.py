"""A project's files: a folder that a test, or a driver in a process of its own, edits as editors do.

Nothing but the standard library's light modules: each driver imports this, and each test that drives one waits for it.
"""

from __future__ import annotations

import itertools
import os
import textwrap
from collections.abc import Mapping
from pathlib import Path

# Long before any test process starts: a file written after the start counts as changed since Python ran it.
LONG_AGO = 1_600_000_000


class ProjectFiles:
    """A folder with an application in it."""

    def __init__(self, folder: Path, files: Mapping[str, str]) -> None:
        self.folder = folder
        self._numbers = itertools.count()
        for path, text in files.items():
            self.edit(path, text)
            os.utime(folder / path, (LONG_AGO, LONG_AGO))

    def __truediv__(self, path: str) -> Path:
        return self.folder / path

    def edit(self, path: str, text: str) -> None:
        """Save as most editors do: write a temporary file, and rename it."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f"{target.name}.{next(self._numbers)}.tmp")
        temporary.write_text(textwrap.dedent(text), encoding="utf-8")
        temporary.replace(target)

    def replace(self, path: str, old: str, new: str) -> None:
        """Save *path* with *old* replaced by *new*."""
        text = (self.folder / path).read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {path}"
        self.edit(path, text.replace(old, new))

    def write_in_place(self, path: str, text: str) -> None:
        """Save as other editors do: truncate the file, and write it."""
        (self.folder / path).write_text(textwrap.dedent(text), encoding="utf-8")

    def delete(self, path: str) -> None:
        """Delete a file or a folder."""
        import shutil  # most drivers have no use for it

        target = self.folder / path
        shutil.rmtree(target) if target.is_dir() else target.unlink()
