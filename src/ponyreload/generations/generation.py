"""Generations: sets of user modules that are loaded, served and retired together."""

from __future__ import annotations

import threading
import time
from collections.abc import MutableMapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ponyreload.code.sources import Source
from ponyreload.errors import Abandoned
from ponyreload.generations.lease import Lease

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop


__all__ = ["Generation", "Run"]

T = TypeVar("T")


class LoadAttempt(Protocol):
    """The attempt to load a generation, as those who have the generation see it."""

    @property
    def thread(self) -> threading.Thread:
        """The thread that it runs in."""

    @property
    def done(self) -> bool:
        """Whether it has ended, or come to its server."""

    @property
    def started(self) -> float:
        """When it began, on the monotonic clock."""

    def park(self) -> None:
        """Hold the calling thread at its server until the generation retires; the load is done."""

    def join(self, timeout: float) -> bool:
        """Wait for the thread to end, up to *timeout* seconds; tell whether it did."""

    def where(self) -> str:
        """Return the line of the user's code that the load is at."""


class Run:
    """One execution of a module's code.

    Attributes:
        name: Of the module.
        thread: Of the thread that runs it, as `threading.get_ident` tells it.
        began, ended: On the monotonic clock; it has not ended while *ended* is None.
    """

    __slots__ = ("began", "ended", "name", "thread")

    def __init__(self, name: str) -> None:
        self.name = name
        self.thread = threading.get_ident()
        self.ended: float | None = None
        self.began = time.monotonic()


class Generation:
    """One version of the application: its modules, and what they registered.

    Attributes:
        number: 1 for the modules that Python itself imported, then counting up.
        modules: The real modules that are complete:  "shop.cart" -> <module>
        running: Those whose code is being run, None before it begins; their own thread alone may see them:
            "shop.api" -> <module>
        behind: Those that have put another object in their place in `sys.modules`:  "shop.api" -> <module>
        files: Where the code of its modules is from:  "shop.cart" -> "/site/shop/cart.py"
        sources: The versions of the files that this generation runs:  "/site/shop/cart.py" -> Source
        runs: Executions of its modules' code, in the order in which they began.
        late: What it ran after it was published, in that order, and how the load has imported it: "" if it did,
            else its error, or None if it did not try:  "shop.admin" -> "RuntimeError: Working outside of …"
        read_ahead: Those that it has read, for requests that are to import them, and has not run.
        turn_at: When its load left the interpreter to other threads last, on the monotonic clock.
        missing: Paths, without suffix, of modules that it looked for in vain.
        unmarked: Names among `modules` that turned out to be no user modules.
        apps: What fills each slot:  ("middleware", 0) -> <WSGI callable>
        hooks: What it registered, by kind, in that order:  "on_reload" -> [<Hook>]
        contents: What each `Contents` holds for it.
        leases: One for each request that holds it; see `Living.lease` for what makes it safe.
        is_asked: Whether a request came since the updater last took note of that.
        load: The attempt that made it; None for generation 1.
        event_loop: The asyncio loop that its loading thread was given.
        shared: Names of the modules that it took over from the generation before, with ``scope="affected"``.
        packages: Those of them that it has to load itself, in the order in which the generation before did.
        imports: What each module has imported or looked up, where that is recorded:  "shop.api" -> {"shop", "os"}
        importers: The same the other way round, when it has been worked out:  "shop" -> {"shop.api"}
        bound: Names of the modules that have something registered with this generation; they cannot be taken over. This
            and the two before are guarded by `context.marks`.
        doubts: What the requests of older generations do in modules that it shares may make these differ from what they
            would be without: names of the modules that they import there, and of those that fill `Contents`.
        shares: Whether another generation may have some of its modules too.
    """

    def __init__(self, number: int, contents: MutableMapping[Any, Any] | None = None) -> None:
        self.number = number
        self.modules: dict[str, ModuleType] = {}
        self.running: dict[str, ModuleType | None] = {}
        self.behind: dict[str, ModuleType] = {}
        self.files: dict[str, str] = {}
        self.sources: dict[str, Source] = {}
        self.runs: list[Run] = []
        self.late: dict[str, str | None] = {}
        self.read_ahead: set[str] = set()
        self.turn_at = time.monotonic()
        self.missing: set[str] = set()
        self.unmarked: set[str] = set()
        self.apps: dict[object, Any] = {}
        self.middlewares_made = 0
        self.hooks: dict[str, list[Any]] = {}
        self.contents: MutableMapping[Any, Any] = {} if contents is None else contents
        self.leases: set[Lease] = set()
        self.is_asked = False
        self.load: LoadAttempt | None = None
        self.event_loop: AbstractEventLoop | None = None
        self.shared: frozenset[str] = frozenset()
        self.packages: tuple[str, ...] = ()
        self.imports: dict[str, set[str]] | None = None
        self.importers: dict[str, set[str]] | None = None
        self.bound: set[str] = set()
        self.doubts: set[str] = set()
        self.shares = False
        self.published = False
        # When that was, on the monotonic clock.
        self.published_at = 0.0
        # Whether somebody sees to its retirement. Guarded by the lock of `Living`.
        self.retires = False
        self.has_called_hooks = False  # those of `on_retire`
        self.abandoned = False
        # The first one, if its modules could not be run: what it serves is the error.
        self.is_broken = False
        # Set when a newer one serves, this one was given up, or the process ends: what runs long is to end.
        self.superseded = threading.Event()
        # When that was, on the monotonic clock.
        self.superseded_at = 0.0
        # Whether the requests that hold it for long have been named.
        self.has_named_requests = False
        # Set when the last lease of a superseded generation has ended, or the process ends: parked scripts go on.
        self.retired = threading.Event()
        # What a module is run under, until it is complete:  "shop.cart" -> its import lock
        self.import_locks: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<generation {self.number}>"

    def own_sources(self) -> dict[str, Source]:
        """Return the versions of those files that it has read itself, and not taken over."""
        if not self.shared:
            return self.sources.copy()
        own = [self.files[name] for name in self.files.keys() - self.shared]
        return {file: self.sources[file] for file in own if file in self.sources}

    def close_event_loop(self) -> None:
        """Close the event loop that the loading thread was given, unless somebody runs it."""
        if self.event_loop is not None and not self.event_loop.is_running():
            self.event_loop.close()

    def forget_other_threads(self) -> None:
        """Give up the imports of other threads: in a forked process they are not here to end them."""
        mine = {name: lock for name, lock in self.import_locks.items() if lock.owner == threading.get_ident()}
        self.import_locks = mine
        self.running = {name: module for name, module in self.running.items() if name in mine}

    def check(self) -> None:
        """Raise, if this generation will never be served: in its own load to end that, elsewhere an ImportError."""
        if self.abandoned:
            in_load = self.load is not None and self.load.thread is threading.current_thread()
            raise (Abandoned if in_load else ImportError)(f"generation {self.number} was given up")
