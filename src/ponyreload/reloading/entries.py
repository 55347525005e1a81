"""Entries: the modules that asked for autoreload. A load runs them; what else is a user module follows from them."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from ponyreload.generations.generation import Generation
from ponyreload.imports.names import MAIN, namespace_of
from ponyreload.imports.routed import RoutedModule
from ponyreload.options import marking
from ponyreload.options.options import Options
from ponyreload.reporting import say

__all__ = ["Entries"]


class Entries:
    """The entry modules, and which modules count as marked without the constant.

    Threads: any thread may add an entry, and any may ask; the list is only added to.

    Args:
        options: Returns all options given so far.

    Attributes:
        names: In the order in which they asked for autoreload, the main script first:  [MAIN, "shop.wsgi"]
    """

    def __init__(self, options: Callable[[], Options]) -> None:
        self._options = options
        self.names: list[str] = []

    def add(self, name: str, namespace: dict[str, Any]) -> bool:
        """Note that module *name*, whose code runs in *namespace*, asked for autoreload.

        Returns:
            False if it is a script that `sys.modules` does not have.
        """
        if marking.own_word(namespace) is False:
            return True
        standing = sys.modules.get(name)
        is_other = standing is not None and type(standing) is not RoutedModule
        if is_other and namespace_of(name, standing) is not namespace:
            # cProfile, trace and the like run a script in a namespace of their own, under the name of their module.
            text = f"the script was started by {getattr(standing, '__file__', standing)}, and is not in sys.modules"
            what = 'the modules that it imports are, where it uses them as "shop.price"'
            say(f"{text}: it is not reloaded, but {what}", logging.WARNING)
            return False
        if name not in self.names:
            # The main script runs first, as it did at the start: most entries are imported by it.
            self.names.insert(0 if name == MAIN else len(self.names), name)
        return True

    def is_included(self, name: str, file: str | None = None) -> bool:
        """Tell whether a module counts as marked: it asked for autoreload, or an option names it or its folder."""
        options = self._options()
        if name in self.names or marking.is_named_by(name, options.include):
            return True
        return name != MAIN and options.are_of_project(file)

    def to_import(self, serving: Generation) -> Sequence[str]:
        """Return the modules that a load imports, besides the main script, which imports what it needs."""
        if MAIN in serving.modules:
            return []
        if self.names:
            return self.names
        # What asked for autoreload is itself a system module; so all that it had imported is loaded again; what
        # requests imported comes later.
        complete = serving.modules.keys() - serving.late.keys()
        return [name for name, file in list(serving.files.items()) if name in complete and os.path.isfile(file)]
