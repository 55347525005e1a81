"""Sources: the bytes of files, their hashes, and the code objects compiled from just those bytes."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import threading
import time
from collections.abc import Iterable, Sequence
from types import CodeType
from typing import Any

from ponyreload.code.compiling import compile_elsewhere, compile_source

__all__ = ["Source", "Sources", "compile_all"]

# (mtime in ns, ctime in ns, size in bytes, inode): while it is the same, and not young, so are the contents.
Signature = tuple[int, int, int, int]

# A file may change twice within one tick of its clock (4 ms on Linux, 2 s on FAT). If it was read this soon
# after its last change, an equal signature proves nothing, and the bytes are read again.
YOUNG_NS = 2_000_000_000


class Source:
    """One version of one file. Immutable, but for the code object that is made when it is first needed."""

    __slots__ = ("_code", "_lines", "data", "digest", "file")

    def __init__(self, file: str, data: bytes) -> None:
        self.file = file
        self.data = data
        self.digest = hashlib.blake2b(data, digest_size=16).digest()
        self._code: CodeType | None = None
        self._lines: list[str] | None = None

    def code(self, loader: Any = None) -> CodeType:
        """Return the code object of these bytes; never one from a .pyc file.

        Args:
            loader: The module's loader, which may compile in its own way.

        Raises:
            SyntaxError, ValueError, UnicodeDecodeError: As the compiler does.
        """
        if self._code is None:
            try:
                self._code = compile_source(self.data, self.file, loader)
            except (SyntaxError, ValueError) as error:
                if getattr(error, "filename", None) is None and b"\0" in self.data:
                    # The compiler does not say where null bytes are.
                    line = self.data.count(b"\n", 0, self.data.index(b"\0")) + 1
                    raise SyntaxError(str(error), (self.file, line, 1, None)) from None
                raise
        return self._code

    @property
    def is_compiled(self) -> bool:
        """Whether its code object has been made."""
        return self._code is not None

    def lines(self) -> list[str]:
        """Return the text of this version, as `linecache` gives it."""
        if self._lines is None:
            try:
                self._lines = importlib.util.decode_source(self.data).splitlines(keepends=True)
            except (SyntaxError, UnicodeDecodeError):
                self._lines = []
        return self._lines


def compile_all(sources: Sequence[Source]) -> None:
    """Have another process make the code objects of sources that Python's own loader reads."""
    compiled = compile_elsewhere([(source.data, source.file) for source in sources])
    for source, (code, warned) in zip(sources, compiled, strict=True):
        if source._code is None and not warned:  # a warning is given by whoever compiles it to run it
            source._code = code


class Sources:
    """The newest known version of each file.

    Safe to call from any thread: ``lock`` protects the table; files are read outside it.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        # file -> its version, its signature when that was read, and whether it was young then:
        #   "/site/shop/cart.py" -> (Source, (…), False)
        self._known: dict[str, tuple[Source, Signature, bool]] = {}

    def digests(self, files: Iterable[str]) -> dict[str, object]:
        """Return the digest of what each file holds now; None where there is no readable one."""
        found: dict[str, object] = {}
        stat, known = os.stat, self._known
        for file in files:
            # `read`, in short, for what has not changed: a look at an application asks for all of its files.
            row = known.get(file)
            try:
                if row is not None and not row[2]:
                    status = stat(file)
                    if row[1] == (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino):
                        found[file] = row[0].digest
                        continue
                found[file] = self.read(file).digest
            except OSError:
                found[file] = None
        return found

    def read(self, file: str) -> Source:
        """Return the version of *file* that is on disk now; unchanged contents give the same `Source` as before.

        Raises:
            OSError: The file cannot be read.
        """
        # The signature is taken before the bytes: if the file changes between the two, the next look sees a
        # signature that differs, and reads again.
        status = os.stat(file)
        signature = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
        known = self._known.get(file)
        if known is not None and known[1] == signature and not known[2]:
            return known[0]
        young = time.time_ns() - max(signature[:2]) < YOUNG_NS
        with open(file, "rb") as stream:
            data = stream.read()
        with self.lock:
            known = self._known.get(file)
            source = known[0] if known is not None and known[0].data == data else Source(file, data)
            self._known[file] = (source, signature, young)
        return source
