"""Generations: sets of user modules that are loaded, served and retired together."""

from __future__ import annotations

import functools
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from ponyreload.errors import Abandoned
from ponyreload.sources import Source

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from ponyreload.loading import Load

__all__ = [
    "MARK",
    "Contents",
    "Generation",
    "Run",
    "active",
    "bind",
    "calling",
    "calling_names",
    "enter",
    "entered",
    "entered_generation",
    "generation_of",
    "is_on",
    "note_imports",
    "owner_of",
    "publish",
    "published",
]

T = TypeVar("T")

# In the namespace of each user module: the generation that it belongs to. Code finds its generation through its
# own globals, so a thread of an old generation, which has no context, still knows where it belongs.
MARK = "__ponyreload__"


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
        files: Where the code of its modules is from:  "shop.cart" -> "/site/shop/cart.py"
        sources: The versions of the files that this generation runs:  "/site/shop/cart.py" -> Source
        runs: Executions of its modules' code, in the order in which they began.
        turn_at: When its load left the interpreter to other threads last, on the monotonic clock.
        missing: Paths, without suffix, of modules that it looked for in vain.
        unmarked: Names among `modules` that turned out to be no user modules.
        apps: What fills each slot:  ("middleware", 0) -> <WSGI callable>
        hooks: What it registered, by kind, in that order:  "on_reload" -> [<function>]
        contents: What each `Contents` holds for it.
        leases: One entry for each request that holds it. `append` and `pop` alone change it: each is atomic.
        is_asked: Whether a request came since the updater last took note of that.
        load: The attempt that made it; None for generation 1.
        for_main_thread: Calls that its code made and only the main thread may carry out.
        event_loop: The asyncio loop that its loading thread was given.
        shared: Names of the modules that it took over from the generation before, with ``scope="affected"``.
        imports: What each module has imported or looked up, where that is recorded:  "shop.api" -> {"shop", "os"}
        importers: The same the other way round, when it has been worked out:  "shop" -> {"shop.api"}
        bound: Names of the modules that have something registered with this generation; they cannot be taken over.
        shares: Whether another generation may have some of its modules too.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.modules: dict[str, ModuleType] = {}
        self.running: dict[str, ModuleType | None] = {}
        self.files: dict[str, str] = {}
        self.sources: dict[str, Source] = {}
        self.runs: list[Run] = []
        self.turn_at = time.monotonic()
        self.missing: set[str] = set()
        self.unmarked: set[str] = set()
        self.apps: dict[object, Any] = {}
        self.middlewares_made = 0
        self.hooks: dict[str, list[Callable[[], object]]] = {}
        self.contents: MutableMapping[Contents[Any], Any] = {} if number > 1 else _early_contents
        self.leases: list[None] = []
        self.is_asked = False
        self.load: Load | None = None
        self.for_main_thread: list[Callable[[], object]] = []
        self.event_loop: AbstractEventLoop | None = None
        self.shared: frozenset[str] = frozenset()
        self.imports: dict[str, set[str]] | None = None
        self.importers: dict[str, set[str]] | None = None
        self.bound: set[str] = set()
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
        # When that was, on the monotonic clock, and whether the requests that last have been named since.
        self.superseded_at = 0.0
        self.is_told = False
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


_entered: ContextVar[Generation | None] = ContextVar("ponyreload", default=None)
_for_process: ContextVar[bool] = ContextVar("ponyreload makes for the process", default=False)
_published: Generation | None = None
# Set when autoreload has been turned on.
is_on = threading.Event()


def publish(generation: Generation | None) -> Generation | None:
    """Make *generation* the one for code that belongs to none; return the one before. One assignment: atomic."""
    global _published
    before, _published = _published, generation
    if generation is not None:
        generation.published = True
        generation.published_at = time.monotonic()
        is_on.set()
    return before


class entered:  # noqa: N801 - used as a function
    """Run a block with *generation* active in this context (thread or task)."""

    __slots__ = ("_generation", "_token")

    def __init__(self, generation: Generation | None) -> None:
        self._generation = generation

    def __enter__(self) -> None:
        self._token = _entered.set(self._generation)

    def __exit__(self, *exception: object) -> None:
        _entered.reset(self._token)


# For a context that ends with its request.
enter = _entered.set


# Returns the generation of the request or load that this context is part of, or None outside one.
entered_generation = _entered.get


@contextmanager
def made_for_process() -> Iterator[None]:
    """Run a block whose code makes things for the process, and not for the generation that the code is of."""
    token = _for_process.set(True)
    try:
        yield
    finally:
        _for_process.reset(token)


def is_for_process() -> bool:
    """Tell whether the block that runs makes things for the process."""
    return _for_process.get()


def generation_of(namespace: Mapping[str, Any]) -> Generation | None:
    """Return the generation that code with these globals runs in; None for system code.

    A module that several generations share is marked as the newest one's. A request or load of another one of them that
    runs its code stays what it is.
    """
    generation: Generation | None = namespace.get(MARK)
    if generation is not None and generation.shares:
        inside = _entered.get()
        if inside is not None and inside is not generation:
            module = inside.modules.get(namespace.get("__name__", ""))
            if getattr(module, "__dict__", None) is namespace:
                return inside
    return generation


def calling_names() -> dict[str, Any] | None:
    """Return the globals of the nearest user code on this thread's stack, or None."""
    frame = sys._getframe(1)
    while frame is not None:
        if MARK in frame.f_globals:
            return frame.f_globals
        frame = frame.f_back  # type: ignore[assignment]
    return None


def calling() -> Generation | None:
    """Return the generation of the nearest user code on this thread's stack, or None."""
    names = calling_names()
    return None if names is None else generation_of(names)


def bind(names: Mapping[str, Any] | None) -> None:
    """Note that code with these globals has something registered with its generation, which ends with that."""
    generation = None if names is None else generation_of(names)
    if generation is not None and names is not None:
        generation.bound.add(str(names.get("__name__")))


def note_imports(modules: Iterable[str], names: Mapping[str, Any] | None) -> None:
    """Note that code with these globals has got hold of modules, where that is recorded."""
    generation = None if names is None else generation_of(names)
    if generation is not None and generation.imports is not None and names is not None:
        importer = str(names.get("__name__"))
        noted = generation.imports.setdefault(importer, set())
        for name in modules:
            if name not in noted:
                noted.add(name)
                if generation.importers is not None:
                    generation.importers.setdefault(name, set()).add(importer)


def active() -> Generation | None:
    """Return the generation that the calling code runs in; None while autoreload is off.

    That of the request or load it is part of; else that of the nearest user code that called it (a thread that
    an old generation started); else the published one.
    """
    return _entered.get() or calling() or _published


def published() -> Generation | None:
    """Return the generation that serves new requests; None while autoreload is off."""
    return _published


def owner_of(thing: Any) -> Generation | None:
    """Return the generation whose code *thing* is, or carries: a function, a method, an object with callbacks.

    A user function, a method of a user class, an instance of one, a `functools.partial` of these, and an object of
    a library that holds one of these as an attribute belong to a generation; all else to none.
    """
    for each in (thing, getattr(thing, "__self__", None)):
        found = _owner_of_code(each)
        if found is not None:
            return found
        for value in list(getattr(each, "__dict__", {}).values()) if not isinstance(each, ModuleType | type) else ():
            found = _owner_of_code(value)
            if found is not None:
                return found
    return None


def _owner_of_code(thing: Any) -> Generation | None:
    while isinstance(thing, functools.partial):
        thing = thing.func
    if isinstance(thing, MethodType):
        thing = thing.__func__
    candidates = [thing]
    for kind in type(thing).__mro__ if not isinstance(thing, type) else thing.__mro__:
        # Nothing is asked of the values themselves: attributes of some libraries' objects import half the world.
        candidates += [
            value.__func__ if isinstance(value, classmethod | staticmethod) else value for value in vars(kind).values()
        ]
    for candidate in candidates:
        namespace = getattr(candidate, "__globals__", None) if isinstance(candidate, FunctionType) else None
        if namespace is not None and MARK in namespace:
            return generation_of(namespace)
    return None


class Contents(Generic[T]):
    """What each generation has for itself of one thing.

    What there was before autoreload was turned on belongs to generation 1: *first*, if it is given. *make* makes
    the contents of a generation, on the first use in it. Safe to call from any thread: the one race, two threads of
    one generation at the first use, is settled by `setdefault`.
    """

    def __init__(self, make: Callable[[], T], *first: T) -> None:
        self._make = make
        for each in first:
            _early_contents[self] = each

    def of(self, generation: Generation | None) -> T:
        """Return the contents of *generation*; those of the first one while autoreload is off."""
        table = _early_contents if generation is None else generation.contents
        if generation is not None and generation.imports is not None and not generation.published:
            bind(calling_names())  # what it puts in there, another generation has to put in for itself
        try:
            contents: T = table[self]
        except KeyError:
            contents = table.setdefault(self, self._make())
        return contents

    def get(self) -> T:
        """Return the contents of the active generation."""
        return self.of(active())


# Those of generation 1, which are there before it.
_early_contents: WeakKeyDictionary[Contents[Any], Any] = WeakKeyDictionary()
