"""Precompiling: source is compiled before a load runs it: changed files, and ahead what the first reload needs."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable

from ponyreload.code.compiling import is_plain
from ponyreload.code.sources import Source, Sources, compile_all
from ponyreload.generations.generation import Generation
from ponyreload.interpreter.collecting import few_collections
from ponyreload.interpreter.starting import start
from ponyreload.options.marking import is_project_file

__all__ = ["compile_ahead", "compile_changed", "needs"]

# Bytes of source, about 50 milliseconds of compiling. Less is left to the reload itself.
MUCH_BYTES = 150_000
# How many modules are compiled at a time: taking over their code holds the GIL for a millisecond or two.
PART = 100


def compile_ahead(generation: Generation, is_over: Callable[[], bool]) -> None:
    """Compile the modules of generation 1, whose code Python has not handed out, if they are large; in a thread.

    Args:
        generation: The generation.
        is_over: Tells whether to stop, as the first reload has come.
    """
    sources = _uncompiled(generation)

    def run() -> None:
        while sources and not is_over():
            with few_collections():  # nothing of it is garbage
                compile_all(sources[:PART])
            del sources[:PART]

    if sum(len(source.data) for source in sources) >= MUCH_BYTES:
        start(threading.Thread(target=run, name="ponyreload compiles ahead", daemon=True))


def _uncompiled(generation: Generation) -> list[Source]:
    found = []
    for name, file in list(generation.files.items()):
        source = generation.sources.get(file)
        loader = getattr(generation.modules.get(name), "__loader__", None)
        if source is not None and not source.is_compiled and is_plain(loader):
            found.append(source)
    return found


def compile_changed(sources: Sources, changed: Iterable[str], serving: Generation) -> dict[str, BaseException]:
    """Compile the changed files that are source of the project; return those that do not compile, and why."""
    broken: dict[str, BaseException] = {}
    names = {file: name for name, file in list(serving.files.items())}
    for file in filter(is_project_file, changed):
        loader = getattr(serving.modules.get(names.get(file, "")), "__loader__", None)
        try:
            sources.read(file).code(loader)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            broken[file] = error
        except OSError:
            pass  # it has just been deleted; its import will fail
    return broken


def needs(generation: Generation, serving: Generation, file: str) -> bool:
    """Tell whether a generation that has loaded needs a file that does not compile.

    Args:
        generation: The one that has loaded.
        serving: The one that serves.
        file: Source of the project, which did not compile before the load.
    """
    source = generation.sources.get(file)
    if source is not None:
        return not source.is_compiled  # it was mended meanwhile, or user code has caught the error
    if any(serving.files.get(name) == file for name in list(generation.late)):
        return True  # requests are to import it
    # They may do so where the text of a module contains its name.
    base = os.path.basename(file.removesuffix(f"{os.sep}__init__.py")).partition(".")[0].encode()
    return any(base in source.data for source in list(generation.sources.values()))
