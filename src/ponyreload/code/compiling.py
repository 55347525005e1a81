"""Compiling: large files are compiled in another process, because the compiler holds the GIL until it is done."""

from __future__ import annotations

import builtins
import functools
import importlib.machinery
import logging
import marshal
import os
import sys
import warnings
from collections.abc import Sequence
from types import CodeType
from typing import Any

from ponyreload.code import compiler
from ponyreload.project import HiddenError, own_imports
from ponyreload.reporting import say

__all__ = ["compile_elsewhere", "compile_source", "is_plain"]

# About ten milliseconds of compiling, as long as another process takes to start.
LARGE_BYTES = 30_000
# One that takes longer is taken to hang.
MOST_SECONDS = 60.0

Warned = list[tuple[str, str, int]]
_plain_compiler: Any = importlib.machinery.SourceFileLoader.source_to_code


def compile_source(data: bytes, file: str, loader: Any = None) -> CodeType:
    """Compile a module's source.

    Args:
        data: What the file holds.
        file: Its path.
        loader: The module's loader. One with its own `source_to_code` (an import hook such as typeguard's) compiles
            in its own way.

    Raises:
        SyntaxError, ValueError, UnicodeDecodeError: As the compiler does.
    """
    if not is_plain(loader):
        return loader.source_to_code(data, file)  # type: ignore[no-any-return]
    if len(data) >= LARGE_BYTES:
        [(code, warned)] = compile_elsewhere([(data, file)])
        if code is not None and _warn(file, warned):
            return code
    return compile(data, file, "exec", dont_inherit=True)


@functools.cache
def _tell(text: str) -> None:
    """Log *text*, once."""
    say(text, logging.WARNING)


def _warn(file: str, warned: Warned) -> bool:
    """Give the compiler's warnings; tell whether none of them is an error here."""
    try:
        for category, text, line in warned:
            warnings.warn_explicit(text, getattr(builtins, category), file, line)
    except Warning:
        return False
    return True


def is_plain(loader: Any) -> bool:
    """Tell whether a loader compiles as Python does."""
    own = getattr(type(loader), "source_to_code", None)
    return loader is None or own is None or own is _plain_compiler


def compile_elsewhere(sources: Sequence[tuple[bytes, str]]) -> list[tuple[CodeType | None, Warned]]:
    """Compile sources in another process of the same Python; meanwhile all other threads go on.

    Args:
        sources: What each file holds, and its path.

    Returns:
        For each the code object, and the warnings to be given: category, text and line. None where there is none: it
        does not compile, or the other process cannot be had. The caller's own compiler tells.
    """
    nothing: list[tuple[CodeType | None, Warned]] = [(None, []) for _ in sources]
    try:
        with own_imports():
            import subprocess  # here: small applications have no use for it
    except HiddenError as error:
        _tell(f"{error}; large files are compiled in this process, which holds up requests")
        return nothing
    # A server that embeds Python is no interpreter; what gevent puts in the place of Popen is not for other threads.
    is_python = os.path.basename(sys.executable or "").lower().startswith("python")
    if not is_python or subprocess.Popen.__module__ != "subprocess":
        return nothing
    given = marshal.dumps((sys.flags.optimize, list(sources)))
    command = [sys.executable, "-I", "-S", compiler.__file__]
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            command, input=given, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=MOST_SECONDS
        )
        version, rows = marshal.loads(done.stdout)  # noqa: S302 - its answer
        return marshal.loads(rows) if version == sys.version else nothing  # noqa: S302
    except (OSError, ValueError, EOFError, TypeError, subprocess.SubprocessError):
        return nothing  # it had no memory, or was killed: then it is done here, as all small ones are
