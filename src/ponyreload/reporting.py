"""Reporting: what the developer reads, in the log or on stderr."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable

__all__ = ["listed", "logger", "say", "shown"]

logger = logging.getLogger("ponyreload")

# Several forked processes write to one log. The children's lines get their process id.
_first_process = os.getpid()


def say(text: str, level: int = logging.INFO, *, of_load: bool = False) -> None:
    """Log *text*; write it to stderr if logging is not configured, so that a reload is never silent.

    Python's own level for all loggers, WARNING, is taken for INFO here: `waitress.serve`, for one, puts in a handler
    and leaves it at that. `logging.config` disables all loggers that it is not told of; so that says nothing of ours.

    The attribute ``of_load`` of the record says whether the journal's listeners hear the same.
    """
    if os.getpid() != _first_process:
        text = f"process {os.getpid()}: {text}"
    least = logger.getEffectiveLevel()
    if least == logging.WARNING and not logger.level:
        least = logging.INFO
    if level < least or level <= logging.root.manager.disable:
        return
    record = logger.makeRecord(logger.name, level, __file__, 0, text, (), None, extra={"of_load": of_load})
    if logger.filter(record):
        if logger.hasHandlers():
            logger.callHandlers(record)
        else:
            # Not logging.lastResort: that one keeps quiet about everything below WARNING.
            logging.StreamHandler(sys.stderr).handle(record)


def shown(file: str) -> str:
    """Return *file* as the developer knows it: relative where it lies below the current folder."""
    try:
        relative = os.path.relpath(file)
    except (ValueError, OSError):  # another drive; a current folder that is gone
        return file
    return file if relative.startswith("..") else relative


def listed(files: Iterable[str], most: int = 3) -> str:
    """Return a short list of files, or their number if there are many."""
    names = sorted(map(shown, files))
    return ", ".join(names) if len(names) <= most else f"{len(names)} files"
