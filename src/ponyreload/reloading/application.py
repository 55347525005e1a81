"""The application: what the reloader knows of it, shared by those who reload it."""

from __future__ import annotations

import sys
from collections.abc import Callable

from ponyreload.adapters.installed import InstalledAdapters
from ponyreload.code.sources import Sources
from ponyreload.errors import LoadError
from ponyreload.generations.generation import Generation
from ponyreload.generations.living import Living
from ponyreload.holders.retention import Retained
from ponyreload.imports.importing import ImportHooks
from ponyreload.imports.modules import Modules
from ponyreload.interpreter.collecting import Collector
from ponyreload.interpreter.mainthread import MainThread
from ponyreload.loading.adoption import adopt
from ponyreload.loading.journal import Journal
from ponyreload.options.options import Options
from ponyreload.ownership.owned import Owned, state_of_process
from ponyreload.reloading.entries import Entries
from ponyreload.reloading.tools import DeveloperTools, LazyTools
from ponyreload.watching.files import Files
from ponyreload.watching.lookout import Lookout
from ponyreload.wsgi.slots import Slot

__all__ = ["Application"]

# Seconds from an import by a request to the scan of what it has brought: one request may import hundreds of modules.
LATE_SECONDS = 0.05


class Application:
    """The state of one process's application.

    Threads: the lock of `living` protects ``error``, ``waiting``, the collector and the slots too; ``news`` is the
    condition on it, notified of every change of these.

    Args:
        make_tools: Makes the developer's tools.
        start: Starts watching.

    Attributes:
        living: The generations that have not been retired.
        news: The condition on the lock of `living`.
        error: Why the newest contents are not served; None when they are.
        waiting: How many callers wait for a generation.
        is_served: Whether a server has started: what a published generation runs from then on, requests ask for.
        slots: What servers and middlewares hold:  ("middleware", 0) -> <Slot>
        unrouted: The addresses of servers that call an application of which nothing is known; it is only added to.
        entries, files, modules, hooks, adapters, owned, main_thread, journal, retained, collector, lookout, tools,
        sources:
            One each; see their classes.
    """

    def __init__(self, make_tools: Callable[[Application], DeveloperTools], start: Callable[[], object]) -> None:
        self.living = Living()
        self.news = self.living.news
        self.error: LoadError | None = None
        self.waiting = 0
        self.is_served = False
        self.unrouted: list[str] = []
        self.slots: dict[object, Slot] = {}
        self.sources = Sources()
        self.files = Files(self.sources)
        self.entries = Entries(lambda: self.files.options)
        self.modules = Modules(self.sources, self.entries.is_included, self.living.all, self._note_late)
        self.modules.state_of_process = state_of_process
        self.hooks = ImportHooks(self.modules)
        self.adapters = InstalledAdapters()
        self.main_thread = MainThread()
        self.owned = Owned(self.main_thread, self.living)
        self.journal = Journal()
        self.retained = Retained(self.living.all)
        self.collector = Collector()
        self.lookout = Lookout(self.news, self.files.matter, may_watch=True)
        self.tools = LazyTools(lambda: make_tools(self), lambda: self.files.options, start)

    @property
    def serving(self) -> Generation:
        """The generation that serves new requests."""
        return self.living.serving

    @property
    def options(self) -> Options:
        """All options given so far."""
        return self.files.options

    @property
    def has_readers(self) -> bool:
        """Whether an open page waits for news, or a caller of `Reloader.wait`."""
        return self.waiting > 0 or self.tools.has_readers

    def adopt(self) -> None:
        """Make the marked modules that Python itself has imported part of generation 1."""
        if self.serving.number == 1:
            for name in adopt(self.modules, self.serving):
                self.files.adopt(self.serving, name)

    def _note_late(self, generation: Generation, name: str) -> None:
        """Note that a request imports a module, and have its folder watched; called from any thread."""
        if self.is_served:
            generation.late.setdefault(name, None)  # one step
            self.lookout.schedule_scan(LATE_SECONDS)

    def begin_in_child(self) -> None:
        """Reset the state in a forked process, which has only the thread that forked. It serves on."""
        self.living.begin_in_child()
        self.files.begin_in_child()
        self.retained.begin_in_child()
        self.journal.begin_in_child()
        self.tools.begin_in_child()
        self.waiting = 0
        self.collector = Collector()
        # What watches the files is shared with the parent, if that has it: this process would take its events.
        self.lookout = Lookout(self.news, self.files.matter, may_watch="watchdog.observers" not in sys.modules)

    def note(self, error: LoadError | None) -> None:
        """Note why the newest contents are not served, or that they are; notify those who wait."""
        with self.news:
            self.error = error
            self.news.notify_all()

    def is_user_file(self, failed: Generation, file: str) -> bool:
        """Tell whether a file is a user module's, as far as can be known of a load that has failed."""
        names = [name for name, each in list(failed.files.items()) if each == file]
        if failed.unmarked.intersection(names):
            return False
        serving = self.serving
        if (failed is not serving and file in serving.sources) or any(name in failed.modules for name in names):
            return True
        # It is new, and has not come to its end; it may not even compile.
        source = failed.sources.get(file)
        says_so = source is not None and (b"ponyreload" in source.data or b"USE_AUTORELOAD" in source.data)
        return says_so or any(self.entries.is_included(name, file) for name in names)
