"""Private names of CPython. They are used in this file only.

Each entry says what a name is for and what happens on a Python that does not have it. Without any of these names,
autoreload still turns on and reloads. All were seen on Python 3.10 to 3.13, unless an entry says otherwise; the tests
check this on the Python they run on.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import signal
import sys
import threading
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any

from ponyreload.reporting import say

__all__ = [
    "CLOSE_HANDLERS", "FIND_SPEC", "IMPORT_BY_NAME", "INITIALIZING", "MAY_BE_INITIALIZING", "DeadlockError",
    "Finalizer",
    "after_fork_registry", "call_before_threads_are_joined", "callback_of", "clear_caches", "closer_of_handlers",
    "current_frames", "dispatch_cache_clearer", "exit_registry", "extension_tables", "finalizers",
    "free_in_child", "has_gil", "imported", "is_lazy",
    "logging_lock", "module_lock", "overload_registry", "plain_socket_class", "signal_handler", "target_of",
    "warning_filters_changed",
]  # fmt: skip

# Seconds after which a thread stops waiting for a module, where the import system's own locks are missing.
DEADLOCK_SECONDS = 60.0
# What was logged as missing: {"threading:_register_atexit"}
_reported: set[str] = set()


def _nothing(*_: object) -> None:
    """Stand in for a function that is missing."""


def imported(name: str) -> Any:
    """Return the module *name* of `sys.modules`; None if there is none, or if its code waits for somebody to use it.

    Whoever reads an attribute of such a module, which `importlib.util.LazyLoader` makes, runs its code. Missing: the
    class of these modules is not known, and their code runs.
    """
    module = sys.modules.get(name)
    return None if is_lazy(module) else module


def is_lazy(module: object) -> bool:
    """Tell whether the code of a module waits for somebody to read one of its attributes."""
    kind = getattr(importlib.util, "_LazyModule", None)
    return kind is not None and issubclass(type(module), kind)


def _find(path: str, loss: str = "", default: Any = None) -> Any:
    """Return the object at *path*, such as "weakref:finalize._registry"; *default* if this Python does not have it.

    Also *default* if the module has not been imported: then nobody uses it.

    Args:
        loss: What does not work without it, if the developer would notice. Logged once; two threads may both log it.
    """
    module, _, names = path.partition(":")
    owner = found = imported(module)
    for name in names.split("."):
        found = getattr(found, name, None)
    if found is None and owner is not None and loss and path not in _reported:
        _reported.add(path)
        say(f"Python {sys.version.partition(' ')[0]} has no {path.replace(':', '.')}: {loss}", logging.WARNING)
    return default if found is None else found


# -- imports -------------------------------------------------------------------------------------------------

_bootstrap = sys.modules.get("importlib._bootstrap")
# Where to put a function that replaces `importlib.import_module`. What that calls is replaced, because other modules
# may have bound `import_module` by name. Missing: replace `import_module` itself. Then such a module gets a routed
# module instead of the real one.
IMPORT_BY_NAME = (_bootstrap, "_gcd_import") if hasattr(_bootstrap, "_gcd_import") else (importlib, "import_module")

# Where the function is bound that asks the finders for a module which `sys.modules` lacks. Missing: user modules that
# are first imported after the first reload become system modules.
_loss = "modules that are first imported after the first reload are not reloaded"
_has_find_spec = _find("importlib._bootstrap:_find_spec", _loss) is not None
FIND_SPEC = [(holder, "_find_spec") for holder in (_bootstrap, importlib.util) if _has_find_spec]

# The attribute of a module's spec that is true while the module's code runs. Python words its error for a circular
# import by it, and `import` waits for another thread that runs the module.
INITIALIZING = "_initializing"
# Missing: any module may be running, so a statement that imports one takes the slower way, which waits for it.
MAY_BE_INITIALIZING = not hasattr(logging.__spec__, INITIALIZING)

# What the `acquire` of `module_lock` raises. Missing: the class that it is derived from.
DeadlockError: type[RuntimeError] = _find("importlib._bootstrap:_DeadlockError", default=RuntimeError)


def module_lock(name: str) -> Any:
    """Return a lock of the import system's own class.

    Only this class knows which thread waits for which module. So `acquire` raises a `DeadlockError` when two threads
    would wait for each other, even if one of them waits for a system module. `owner` is the thread's ident.
    Missing: a lock that stops waiting after `DEADLOCK_SECONDS`.
    """
    return _find("importlib._bootstrap:_ModuleLock", default=TimedLock)(name)


class TimedLock:
    """A re-entrant lock that knows its owner, and that takes a long wait for a deadlock.

    ``_depth`` and ``owner`` are changed only by the thread that holds the lock.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.RLock()
        self._depth = 0
        self.owner: int | None = None

    def acquire(self) -> None:
        if not self._lock.acquire(timeout=DEADLOCK_SECONDS):
            raise DeadlockError(f"waited {DEADLOCK_SECONDS} s for {self._name}")
        self._depth += 1
        self.owner = threading.get_ident()

    def release(self) -> None:
        self._depth -= 1
        self.owner = self.owner if self._depth else None
        self._lock.release()


# -- threads and frames --------------------------------------------------------------------------------------

# Returns the innermost frame of each thread. Missing: no thread's frame is known.
current_frames: Callable[[], dict[int, FrameType]] = _find(
    "sys:_current_frames",
    "the log cannot say what a thread is running, nor which variable keeps an old generation in memory",
    default=dict,
)


def has_gil() -> bool:
    """Tell whether this Python runs with a GIL. Missing before Python 3.13: it does."""
    return _find("sys:_is_gil_enabled", default=lambda: True)()  # type: ignore[no-any-return]


def target_of(thread: threading.Thread) -> Any:
    """Return what ``Thread(target=...)`` was given; None if nothing, or if the thread has ended.

    Missing: None. The thread then belongs to the code that started it, and is reported by what its class runs.
    """
    return vars(thread).get("_target")


def call_before_threads_are_joined(function: Callable[[], object]) -> None:
    """Call *function* when the main thread has ended, before Python waits for the other threads.

    `atexit` functions run after that. `concurrent.futures` uses the same name. Missing: threads of parked scripts
    are not asked to end, and Python waits for those that are not daemons.
    """
    loss = "when the process ends, it waits for the threads and executors of older generations"
    _find("threading:_register_atexit", loss, default=_nothing)(function)


def free_in_child(lock: Any) -> None:
    """Make a lock or a condition free in a forked process, whoever held it in the parent.

    `threading` and `logging` use the same name. Missing: the lock stays as it is.
    """
    getattr(lock, "_at_fork_reinit", _nothing)()


# -- logging, warnings, signals, sockets ---------------------------------------------------------------------

# The name of what `closer_of_handlers` returns, for putting another function in its place.
CLOSE_HANDLERS = "_clearExistingHandlers"
# A handler whose lock stands in for that of `logging`: `logging` makes its handlers' locks anew in a forked process.
_spare = None if hasattr(logging, "_lock") else logging.Handler()


def closer_of_handlers() -> Any:
    """Return the function by which `dictConfig` and `fileConfig` close all handlers. Missing: None."""
    loss = "dictConfig and fileConfig of a reload close the logging handlers of older generations too"
    return _find(f"logging.config:{CLOSE_HANDLERS}", loss)


def logging_lock() -> Any:
    """Return the lock under which `logging` changes its lists; gevent may replace it.

    Missing: a lock of our own. A handler that another thread adds while a view is made may then be lost.
    """
    return logging._lock if _spare is None else _spare.lock  # type: ignore[attr-defined]


def warning_filters_changed() -> None:
    """Tell `warnings` that its list of filters was changed in place.

    Missing: the new filters apply only to code that has not warned yet.
    """
    _find("warnings:_filters_mutated", default=_nothing)()


# Returns the handler of a signal. The public function compares the handler with its own constants, which may run code
# of the application. Missing: the public one.
signal_handler: Callable[[int], Any] = _find("_signal:getsignal", default=signal.getsignal)


def plain_socket_class() -> Any:
    """Return the class that `socket.socket` is made from, whose methods are not wrapped. Missing: None."""
    return _find("_socket:socket")


# -- what keeps functions and classes ------------------------------------------------------------------------

# What `weakref.finalize` keeps for an object. Missing: a report describes it like any other object.
Finalizer: Any = _find("weakref:finalize._Info")


def finalizers() -> list[weakref.finalize[..., Any]]:
    """Return the living `weakref.finalize` objects, oldest first. Missing: none."""
    loss = "weakref.finalize keeps an old generation in memory until the object is deleted that it watches"
    return list(_find("weakref:finalize._registry", loss, default=()))


def exit_registry() -> dict[Any, Any]:
    """Return the `Finalize` objects of `multiprocessing` by priority and number, such as (10, 7). Missing: empty.

    The priority says when one runs at the end of the process; None if it does not.
    """
    loss = "multiprocessing runs the finalizers of old generations only when the process ends"
    return _find("multiprocessing.util:_finalizer_registry", loss, default={})  # type: ignore[no-any-return]


def callback_of(finalizer: Any) -> Any:
    """Return the function that a `Finalize` object of `multiprocessing` calls. Missing: None."""
    return getattr(finalizer, "_callback", None)


def after_fork_registry() -> dict[Any, Any]:
    """Return what `multiprocessing` calls in its children. Missing: empty.

    Sample row:  (4, 140187, <function reconnect>) -> <Pool>
    """
    loss = "multiprocessing calls the functions of old generations in its child processes"
    return _find("multiprocessing.util:_afterfork_registry", loss, default={})  # type: ignore[no-any-return]


def extension_tables() -> tuple[dict[tuple[str, str], int], dict[int, tuple[str, str]]]:
    """Return the tables of `copyreg.add_extension`: codes by name, and names by code. Missing: empty ones."""
    loss = "a reload fails when it gives copyreg.add_extension another code for the same class"
    codes, names = (_find(f"copyreg:{name}", loss) for name in ("_extension_registry", "_inverted_registry"))
    return ({}, {}) if codes is None or names is None else (codes, names)


def overload_registry() -> dict[str, dict[str, dict[int, Any]]]:
    """Return what `typing.overload` keeps: {"shop.cart": {"total": {12: <function>}}}.

    Missing, as before Python 3.11: empty.
    """
    return _find("typing:_overload_registry", default={})  # type: ignore[no-any-return]


def dispatch_cache_clearer(generic: Any) -> Callable[[], object]:
    """Return what empties the cache of a `functools.singledispatch` function.

    Missing: what the new generation no longer registers stays in the cache until something else is registered.
    """
    return getattr(generic, "_clear_cache", _nothing)


def clear_caches() -> None:
    """Empty the caches of the standard library that hold classes: ``Optional[Order]`` keeps `Order` in one.

    Missing: old generations may stay in memory for longer. `inspect` has the first cache in Python 3.12, and the second
    one from 3.13 on.
    """
    for clear in _find("typing:_cleanups", "typing may keep classes of old generations in memory", default=()):
        clear()
    for name in ("_shadowed_dict_from_mro_tuple", "_shadowed_dict_from_weakref_mro_tuple"):
        if cache := _find(f"inspect:{name}"):
            cache.cache_clear()
