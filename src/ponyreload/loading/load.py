"""Loading: one attempt to load a generation, in a thread of its own."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import ModuleType

from ponyreload.errors import Abandoned
from ponyreload.generations.context import entered
from ponyreload.generations.failures import load_error
from ponyreload.generations.generation import Generation
from ponyreload.imports.byhand import claim_of_load
from ponyreload.imports.modules import Modules
from ponyreload.interpreter.environment import environment_of_process
from ponyreload.interpreter.frames import outward, thread_frames
from ponyreload.interpreter.starting import start
from ponyreload.loading.late import LateImports
from ponyreload.reporting import say, shown

__all__ = ["Load", "load_of_this_thread"]


class Load:
    """Runs the entry modules in a generation.

    A load is done when its entries have run. A main script counts as run once it has come to its server: there its
    thread is parked until the generation retires, and then runs the remaining lines of the script as its clean-up.

    Args:
        generation: The one to load.
        entries: Names of the modules to import.
        runs_script: Whether to run the main script first.
        modules: The user modules.
        before, after: Called on the load's thread, before the first module is run and after the last one.
        when_done: The condition to notify when the load is done.
        late: Imports what requests will need.

    Attributes:
        error: Why the load failed; None before, and if it did not.
        hint: What else can be done about that; empty if there is nothing.
        done: Whether all has run, or an error has ended it.
        started, ended: On the monotonic clock; *ended* is None until the load is done.
        thread: Where it runs.
    """

    def __init__(
        self,
        generation: Generation,
        entries: Sequence[str],
        runs_script: bool,
        modules: Modules,
        before: Callable[[], object],
        when_done: threading.Condition,
        after: Callable[[], object] = lambda: None,
        late: LateImports | None = None,
    ) -> None:
        self.generation = generation
        self.error: BaseException | None = None
        self.hint = ""
        self.done = False
        self.started = time.monotonic()
        self.ended: float | None = None
        self._when_done = when_done
        self._modules = modules
        self._entries = entries
        self._runs_script = runs_script
        # These two are dropped once called: they refer to the generation before, which a parked thread must not keep in
        # memory. The lock of `when_done` decides which thread takes the second one.
        self._before: Callable[[], object] | None = before
        self._late = late
        self._after = after
        self._there: dict[str, ModuleType] = {}  # what `sys.modules` had when the load began
        self.thread = LoadThread(self)
        generation.load = self

    def start(self) -> bool:
        """Start the thread; tell whether that was possible, or the process ends."""
        return start(self.thread)

    def park(self) -> None:
        """Hold the calling thread at its server until the generation retires; the load is done.

        Raises:
            Abandoned: The load failed, or newer contents overtook it: the generation will never be served.
        """
        try:
            is_last = self._import_late()
        except BaseException as error:
            self._finish(error)
        else:
            if is_last:
                self._finish(None)
        self.generation.retired.wait()
        if self.generation.abandoned:
            raise Abandoned(f"generation {self.generation.number} was given up")

    def abandon(self) -> None:
        """End the load without a result, at its next import or where it is parked; until then its code goes on."""
        self.generation.abandoned = True
        self.generation.retired.set()

    def join(self, timeout: float) -> bool:
        """Wait for the thread to end; tell whether it did."""
        if self.thread.ident is None:
            return True  # it was never started
        self.thread.join(timeout)
        return not self.thread.is_alive()

    def where(self) -> str:
        """Return the line of the user's code that the load is at."""
        for frame in outward(thread_frames().get(self.thread.ident or 0)):
            if frame.f_code.co_filename in self.generation.sources:
                return f"{shown(frame.f_code.co_filename)}:{frame.f_lineno}"
        return "no line of a user module"

    def run(self) -> None:
        """Run the load. Called by its thread."""
        with entered(self.generation):
            try:
                self._there = sys.modules.copy()
                self._give_event_loop()
                self._give_environment()
                if self._before is not None:
                    self._before()
                    self._before = None
                if self._runs_script:
                    self._modules.run_main(self.generation)
                if not self.done:  # else it was parked; these were its last lines
                    self._require_entries()
                    self._after()
                    self._import_late()
            except BaseException as error:  # Ctrl-C reaches the main thread only
                self._finish(error)
            else:
                self._finish(None)

    def _require_entries(self) -> None:
        """Import the entries. A deleted one is skipped if another is there: all slots may be filled without it."""
        missing: ModuleNotFoundError | None = None
        found = 0
        for name in self._entries:
            try:
                self._modules.require(self.generation, name)
                found += 1
            except ModuleNotFoundError as error:
                if error.name != name:
                    raise
                missing = error
        if missing is not None and not found:
            raise missing

    def _import_late(self) -> bool:
        """Import what shared modules and requests need; False if another thread has begun to: several may come here."""
        with self._when_done:
            late, self._late = self._late, None
        if late is None:
            return False
        try:
            with entered(self.generation):
                for name in self.generation.packages:
                    self._modules.require(self.generation, name)
                late.run(self.generation)
        finally:
            self.hint = late.hint
        return True

    def _give_event_loop(self) -> None:
        """Let `asyncio.get_event_loop` at module level find a loop, as it does on the main thread."""
        if "asyncio" in sys.modules and sys.version_info < (3, 14):
            import asyncio  # here: most applications do not use it

            self.generation.event_loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self.generation.event_loop)

    def _give_environment(self) -> None:
        """Let modules find the environment: under Google's SDK each thread has its own, and this one's is empty."""
        if not os.environ:
            os.environ.update(environment_of_process())

    def _finish(self, error: BaseException | None) -> None:
        there, self._there = self._there, {}
        if there:
            claim_of_load(self._modules.table, self.generation, there)
        with self._when_done:
            self._late = None
            if not self.done:
                self.error, self.ended, self.done = error, time.monotonic(), True
                self._when_done.notify_all()
                return
        if error is not None and not isinstance(error, SystemExit | Abandoned):
            report = load_error(self.generation, self.generation.number, error)
            say(f"clean-up of generation {self.generation.number} failed:\n{report.details}", logging.ERROR)


class LoadThread(threading.Thread):
    """A daemon thread whose own threads are not daemons.

    A load may never end, so the process must not wait for its thread. Threads inherit that from the thread that creates
    them; but the process waits for the threads of a script's first run, which the main thread creates.
    """

    _runs = False

    def __init__(self, load: Load) -> None:
        super().__init__(name=f"ponyreload generation {load.generation.number}", daemon=True)
        self.load: Load | None = load

    def run(self) -> None:
        assert self.load is not None
        self._runs = True
        try:
            self.load.run()
        finally:
            self.load = None  # a debugger, for one, keeps the objects of threads

    @property
    def daemon(self) -> bool:
        return not (self._runs and threading.get_ident() == self.ident)

    @daemon.setter
    def daemon(self, value: bool) -> None:  # noqa: ARG002 - the base class's
        raise RuntimeError("a load's thread is always a daemon")


def load_of_this_thread() -> Load | None:
    """Return the load whose thread is calling: code of its main script, before, at or after its server; or None."""
    thread = threading.current_thread()
    return thread.load if isinstance(thread, LoadThread) else None
