"""The adapters of the servers and libraries that have been imported."""

from __future__ import annotations

import functools
import importlib
import logging

from ponyreload.adapters.adapter import Adapter, Host
from ponyreload.generations.context import entered
from ponyreload.generations.generation import Generation
from ponyreload.imports.loaders import AfterImport
from ponyreload.options.servers import ADAPTERS
from ponyreload.project import HiddenError, own_imports
from ponyreload.reporting import say

__all__ = ["InstalledAdapters"]


class InstalledAdapters:
    """Installs each adapter as soon as its library is there.

    Threads: imports may come from any thread; the list is appended to, or replaced as a whole.
    """

    def __init__(self) -> None:
        self._adapters: list[Adapter] = []

    def install(self, host: Host, after_import: AfterImport) -> None:
        """Install those whose library has been imported, and the others when it is.

        Args:
            host: What the adapters may ask.
            after_import: What to call once a module has been imported.
        """
        for module, adapter in ADAPTERS.items():
            after_import.call(module, functools.partial(self._install, adapter, host))

    def _install(self, name: str, host: Host) -> None:
        try:
            with own_imports():
                adapter: Adapter = importlib.import_module(name).ADAPTER
        except HiddenError as error:
            say(f"{error}; what {name.rpartition('.')[2]} needs of ponyreload is off", logging.WARNING)
            return
        adapter.install(host)
        if adapter not in self._adapters:
            self._adapters.append(adapter)

    def uninstall(self) -> None:
        """Take all of them out."""
        adapters, self._adapters = self._adapters, []
        for adapter in adapters:
            adapter.uninstall()

    def all(self) -> tuple[Adapter, ...]:
        """Return those that are installed."""
        return tuple(self._adapters)

    def before_publish(self, generation: Generation) -> None:
        """Have each prepare a loaded generation for serving.

        Raises:
            Exception: What the generation's own start listeners raise.
        """
        for adapter in self.all():
            with entered(generation):
                adapter.before_publish(generation)

    def retire(self, generation: Generation) -> None:
        """Have each let go of what its library holds for a generation."""
        for adapter in self.all():
            with entered(generation):
                adapter.retire(generation)
