"""Late imports: a load imports what requests have imported in the generation that serves."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Collection
from traceback import walk_tb

from ponyreload.code.sources import Source, Sources
from ponyreload.errors import Abandoned, summary
from ponyreload.generations.generation import Generation
from ponyreload.imports.modules import Modules
from ponyreload.interpreter.attributes import own_namespace
from ponyreload.options.marking import is_named_by
from ponyreload.reporting import say

__all__ = ["LateImports"]


class LateImports:
    """Imports the modules that requests need, before the generation is published.

    They are those that the serving generation ran after it was published, and that the entries of the new one have not
    imported. One that raises fails the load if that is the edit's fault. It stays on demand, as before, if it seems to
    need a request.

    Args:
        modules: The user modules.
        sources: The source code, as the files have it now.
        serving: The generation that serves.
        on_demand: Names of packages and modules that are left to the requests.

    Attributes:
        hint: What else the user can do about the error that `run` raised; empty if there is nothing.
    """

    def __init__(self, modules: Modules, sources: Sources, serving: Generation, on_demand: Collection[str]) -> None:
        self._modules = modules
        self._sources = sources
        self._serving = serving
        self._on_demand = on_demand
        self.hint = ""
        self._edited: list[tuple[Source, Source | None]] = []

    def run(self, generation: Generation) -> None:
        """Import them in *generation*, in the order in which requests did. Called in its load, with it entered.

        Raises:
            BaseException: What a module raised that fails the load.
        """
        # Requests may import meanwhile: what they add after this line, the next load tries.
        names = list(self._serving.late)
        self._edited = self._find_edited() if names else []
        routed, eager = self._modules.table.routed, generation.modules.keys() | set()
        for name in names:
            is_system = name in sys.modules and name not in routed
            if name in eager or is_system or self._is_let_go(name):
                continue
            if is_named_by(name, self._on_demand):
                self._keep(generation, name)
                continue
            first_run = len(generation.runs)
            try:
                self._require(generation, name)
            except Abandoned:
                raise
            except BaseException as error:
                if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
                    continue  # it is gone
                runs = {run.name for run in generation.runs[first_run:]}
                if self._is_broken_by_edit(generation, name, runs, error):
                    self.hint = f'or, if {name} can be imported in a request only: on_demand=["{name}"]'
                    raise
                self._leave(generation, name, error)
            else:
                generation.late[name] = ""

    def _require(self, generation: Generation, name: str) -> None:
        parent, _, child = name.rpartition(".")
        package = self._modules.require(generation, parent) if parent else None
        if "__getattr__" in (own_namespace(package) or {}):
            # It may have imported the module for the request, and have something else by that name since.
            hasattr(package, child)
        self._modules.require(generation, name)

    def _keep(self, generation: Generation, name: str) -> None:
        """Have a request of *generation* run what the file holds now; from now on its edits count."""
        generation.late[name] = None
        file = self._serving.files.get(name)
        if file is not None and os.path.isfile(file):
            generation.files[name] = file
            generation.sources[file] = self._sources.read(file)
            generation.read_ahead.add(name)

    def _leave(self, generation: Generation, name: str, error: BaseException) -> None:
        """Leave a module to the requests, as it was; say so when that is new."""
        said = generation.late[name] = summary(error)
        if self._serving.late.get(name) != said:
            say(f"{name} is left to the requests that import it, as before: in the load it raised {said}", logging.INFO)

    # -- whose fault it is ---------------------------------------------------------------------------------------

    def _is_broken_by_edit(
        self, generation: Generation, name: str, runs: Collection[str], error: BaseException
    ) -> bool:
        """Tell whether the edit is why a module that served cannot be imported.

        Args:
            generation: The one that is being loaded.
            name: The module's.
            runs: Names of the modules that its import has run, itself included.
            error: What that raised.
        """
        if any(self._has_changed(generation, generation.files.get(each)) for each in (name, *runs)):
            return True
        before = self._serving.late.get(name)
        if before == "":
            return True  # the load before imported it, so it needs no request
        if before == summary(error):
            return False
        # It has been imported by a request only. A name that an edit took away is missed in a file that names the
        # module which lost it; what needs a request fails wherever the edit was.
        changed = [each for each, file in list(generation.files.items()) if self._has_changed(generation, file)]
        files = {frame.f_code.co_filename for frame, _ in walk_tb(error.__traceback__)} & generation.sources.keys()
        return any(
            self._has_changed(generation, file) or any(_names(generation.sources[file], each) for each in changed)
            for file in files
        )

    def _has_changed(self, generation: Generation, file: str | None) -> bool:
        """Tell whether a module's file differs from the one that serves."""
        if file is None:
            return False
        new, old = generation.sources.get(file), self._serving.sources.get(file)
        return new is not None and (old is None or old.digest != new.digest)

    def _is_let_go(self, name: str) -> bool:
        """Tell whether the edit took away the last place that names a module: ``import broken`` has been deleted."""
        own = self._serving.files.get(name)
        edited = [(old, new) for old, new in self._edited if old.file != own and _names(old, name)]
        if not edited or any(new is not None and _names(new, name) for _, new in edited):
            return False
        # Rarely: another file may name it still.
        changed = {old.file for old, _ in self._edited}
        others = [
            each for each in list(self._serving.sources.values()) if each.file not in changed and each.file != own
        ]
        return not any(_names(each, name) for each in others)

    def _find_edited(self) -> list[tuple[Source, Source | None]]:
        """Return the versions that serve of the files that have changed, each with the one that is there now."""
        found = []
        for old in list(self._serving.sources.values()):
            try:
                new: Source | None = self._sources.read(old.file)
            except OSError:
                new = None
            if new is None or new.digest != old.digest:
                found.append((old, new))
        return found


def _names(source: Source, name: str) -> bool:
    """Tell whether the text of a file has the last part of a module's name as a word."""
    last = name.rpartition(".")[2].encode()
    return last in source.data and re.search(rb"\b%s\b" % re.escape(last), source.data) is not None
