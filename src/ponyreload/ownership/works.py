"""Works: what code gives to an executor or a pool runs in its generation, and holds that for a request."""

from __future__ import annotations

import functools
import sys
from threading import get_ident
from typing import Any

from ponyreload.generations.context import calling, entered, entered_generation
from ponyreload.generations.generation import Generation
from ponyreload.generations.lease import WorkLease
from ponyreload.generations.living import Living
from ponyreload.imports.loaders import AfterImport
from ponyreload.interpreter.patches import Patches

__all__ = ["Works"]

POOLS = "multiprocessing.pool"
# The methods of its `ThreadPool` that take a function. Its `apply` calls the first one.
OF_POOLS = ("apply_async", "imap", "imap_unordered", "map", "map_async", "starmap", "starmap_async")


class Works:
    """Has the threads of executors and pools run what they are given in the generation of the code that gave it.

    Only that: these threads serve all generations, and what they run of a library's may look user code up by name.
    """

    def __init__(self, patches: Patches, living: Living) -> None:
        self._patches = patches
        self._living = living

    def install(self, after_import: AfterImport) -> None:
        """Wrap the pools of `multiprocessing`, at once or when they are imported."""
        after_import.call(POOLS, self._wrap_pools)

    def wrap(self, executor: type[Any], runs_here: bool) -> None:
        """Wrap `submit` of a class of executors.

        Args:
            executor: The class.
            runs_here: Whether its workers are threads of this process.
        """
        plain = executor.submit

        @functools.wraps(plain)
        def submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
            work = make(fn)
            if work is None:
                return plain(self, fn, *args, **kwargs)
            try:
                future = plain(self, work if runs_here and _runs_here(self) else fn, *args, **kwargs)
            except BaseException:
                work.end()
                raise
            future.add_done_callback(work.end)
            return future

        make = self._work
        self._patches.put(executor, "submit", submit)

    def _wrap_pools(self) -> None:
        pool = getattr(sys.modules[POOLS], "ThreadPool", None)
        if pool is not None:  # or another thread is just importing it
            for name in OF_POOLS:
                self._patches.wrap(pool, name, self._give_to_pool)

    def _give_to_pool(self, plain: Any, pool: Any, func: Any, *args: Any, **kwargs: Any) -> Any:
        # A pool that is terminated never tells of the work it drops. So the hold ends when that is not there any more.
        return plain(pool, self._work(func) or func, *args, **kwargs)

    def _work(self, function: Any) -> Work | None:
        """Return what calls *function* in the generation of the calling code; None if there is no such generation.

        A load does not wait for what it leaves to a pool, nor does a thread, so only a request's work is held.
        """
        generation = entered_generation()
        if generation is not None and generation.published:
            return Work(function, generation, self._living.hold(generation, function), self._living)
        generation = generation or calling()
        return None if generation is None else Work(function, generation, None, self._living)


class Work:
    """A function that runs in a generation, and its hold on that, which ends with it.

    It has nothing of the generation after that: the future, which may be kept, has it as a callback.
    """

    __slots__ = ("_function", "_generation", "_lease", "_living")

    def __init__(self, function: Any, generation: Generation, lease: WorkLease | None, living: Living) -> None:
        self._function = function
        self._generation: Generation | None = generation
        self._lease = lease
        self._living = living

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._lease is not None:
            self._lease.thread = get_ident()
        try:
            with entered(self._generation):
                return self._function(*args, **kwargs)
        except BaseException as error:
            # The traceback begins with the function, as without us. It also may be kept, with our variables.
            error.__traceback__ = None if error.__traceback__ is None else error.__traceback__.tb_next
            del self
            raise

    def end(self, _future: object = None) -> None:
        """Give the generation back."""
        lease, self._lease, self._generation, self._function = self._lease, None, None, None
        if lease is not None:
            self._living.release(lease)

    __del__ = end


def _runs_here(executor: Any) -> bool:
    """Tell whether an executor of threads calls what it is given, and not a copy of it in another interpreter."""
    other = getattr(sys.modules.get("concurrent.futures.interpreter"), "InterpreterPoolExecutor", ())
    return not isinstance(executor, other)
