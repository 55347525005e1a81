"""Options: what the user may set, checked at the door."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["Options"]


@dataclass(frozen=True)
class Options:
    """What `use_autoreload` and `AutoreloadMiddleware` were told.

    Attributes:
        include: Names of packages and modules that count as marked.
        extra_files: Absolute paths and globs whose changed contents also fire a reload.
        poll_seconds: Look at the files every so many seconds instead of waiting for events; None: decide by itself.
    """

    include: tuple[str, ...] = ()
    extra_files: tuple[str, ...] = ()
    poll_seconds: float | None = None

    @classmethod
    def checked(
        cls, include: Iterable[str], extra_files: Iterable[str | os.PathLike[str]], poll_seconds: float | None
    ) -> Options:
        """Make options of what the user gave.

        Raises:
            TypeError, ValueError: With what is accepted, and what was found.
        """
        names = _listed("include", include, "package or module names", "include=('shop', 'lib.prices')")
        for name in names:
            if not isinstance(name, str) or not all(part.isidentifier() for part in name.split(".")):
                raise ValueError(f"include= takes importable names such as 'shop' or 'lib.prices', not {name!r}")
        files = _listed("extra_files", extra_files, "paths and globs", "extra_files=('shop.toml', 'pages/**/*.html')")
        for file in files:
            path = os.fspath(file) if isinstance(file, str | os.PathLike) else None
            if not isinstance(path, str) or not path or "\0" in path:
                raise TypeError(f"extra_files= takes paths and globs (str or os.PathLike), not {file!r}")
        if poll_seconds is not None:
            if isinstance(poll_seconds, bool) or not isinstance(poll_seconds, int | float):
                raise TypeError(f"poll_seconds= takes seconds, or None for events of the files, not {poll_seconds!r}")
            if not 0.01 <= poll_seconds <= 3600:
                raise ValueError(f"poll_seconds= takes 0.01 to 3600 seconds, not {poll_seconds!r}")
        return cls(names, tuple(os.path.abspath(file) for file in files), poll_seconds)

    def joined(self, other: Options) -> Options:
        """Return what both say together; of two polling intervals, the later one said."""
        return Options(
            tuple(dict.fromkeys(self.include + other.include)),
            tuple(dict.fromkeys(self.extra_files + other.extra_files)),
            self.poll_seconds if other.poll_seconds is None else other.poll_seconds,
        )

    def find_extra_files(self) -> set[str]:
        """Return the files that `extra_files` names now; a folder stands for every file below it."""
        found: set[str] = set()
        for pattern in self.extra_files:
            if os.path.isdir(pattern):
                pattern = os.path.join(glob.escape(pattern), "**", "*")
            matches = glob.iglob(pattern, recursive=True) if glob.has_magic(pattern) else (pattern,)
            found.update(file for file in matches if os.path.isfile(file))
        return found

    def extra_folders(self) -> dict[str, bool]:
        """Return the folders in which extra files may come and go, and whether folders below count too."""
        folders: dict[str, bool] = {}
        for pattern in self.extra_files:
            folder = pattern
            while glob.has_magic(folder):
                folder = os.path.dirname(folder)
            # Deep: a folder that is named itself, and a glob that goes further down than the folder's own files.
            deep = os.path.isdir(folder) and (folder == pattern or folder != os.path.dirname(pattern))
            while not os.path.isdir(folder):
                folder = os.path.dirname(folder)  # where it may come to be
            folders[folder] = folders.get(folder, False) or deep
        return folders


def _listed(option: str, value: Any, what: str, example: str) -> tuple[Any, ...]:
    if isinstance(value, str | bytes | os.PathLike) or not isinstance(value, Iterable):
        raise TypeError(f"{option}= takes a list or tuple of {what}, such as {example}, not {value!r}")
    return tuple(value)
