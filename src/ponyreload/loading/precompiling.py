"""Precompiling: what the first reload would have to compile is compiled ahead, in another process."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ponyreload.code.compiling import is_plain
from ponyreload.code.sources import Source, compile_all
from ponyreload.generations.generation import Generation
from ponyreload.interpreter.collecting import few_collections

__all__ = ["Precompiling"]

# Bytes of source: about 50 milliseconds of compiling. Less is compiled by the reload itself.
MUCH_BYTES = 150_000
# Modules that are compiled at a time: taking over their code holds the GIL for a millisecond or two.
PART = 100


class Precompiling:
    """Compiles the modules of a generation that Python itself has loaded, in a thread of its own.

    Args:
        generation: Whose modules.
        is_over: Tells whether to stop: the first reload has come.
    """

    def __init__(self, generation: Generation, is_over: Callable[[], bool]) -> None:
        self._sources = _uncompiled(generation)
        self._is_over = is_over

    def start(self) -> None:
        """Start the thread, if there is much to compile."""
        if sum(len(source.data) for source in self._sources) >= MUCH_BYTES:
            threading.Thread(target=self._run, name="ponyreload compiles ahead", daemon=True).start()

    def _run(self) -> None:
        while self._sources and not self._is_over():
            with few_collections():  # all of it is kept
                compile_all(self._sources[:PART])
            del self._sources[:PART]


def _uncompiled(generation: Generation) -> list[Source]:
    found = []
    for name, file in list(generation.files.items()):
        source = generation.sources.get(file)
        loader = getattr(generation.modules.get(name), "__loader__", None)
        if source is not None and not source.is_compiled and is_plain(loader):
            found.append(source)
    return found
