"""Loading: one attempt to make a generation, in a thread of its own."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence

from ponyreload.errors import Abandoned
from ponyreload.generations.context import entered
from ponyreload.generations.failures import load_error
from ponyreload.generations.generation import Generation
from ponyreload.imports.modules import Modules
from ponyreload.interpreter.environment import environment_of_process
from ponyreload.interpreter.frames import thread_frames
from ponyreload.reporting import say, shown

__all__ = ["Load", "load_of_this_thread"]


class Load:
    """Runs the entry modules into a generation.

    A load is done when its entries have run. The main script counts as run when it has come to its server; there
    its thread is parked until the generation retires, and then runs the script's remaining lines as its clean-up.
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
    ) -> None:
        self.generation = generation
        self.error: BaseException | None = None
        self.done = False
        # Both on the monotonic clock; when it was done, or None before.
        self.started = time.monotonic()
        self.ended: float | None = None
        self._when_done = when_done
        self._modules = modules
        self._entries = entries
        self._runs_script = runs_script
        # It holds the generation before, which the thread must not: it may be parked for long.
        self._before: Callable[[], object] | None = before
        self._after = after
        self.thread = LoadThread(self)
        generation.load = self

    def start(self) -> None:
        """Start the thread."""
        self.thread.start()

    def park(self) -> None:
        """Hold the calling thread at its server until the generation retires; the load is done.

        Raises:
            Abandoned: Newer contents overtook the load, so it will never be served.
        """
        self._finish(None)
        self.generation.retired.wait()
        if self.generation.abandoned:
            raise Abandoned(f"generation {self.generation.number} was given up")

    def abandon(self) -> None:
        """End the load without a result, at its next import or where it is parked. Code between runs on."""
        self.generation.abandoned = True
        self.generation.retired.set()

    def join(self, timeout: float) -> bool:
        """Wait for the thread to end; tell whether it did."""
        self.thread.join(timeout)
        return not self.thread.is_alive()

    def where(self) -> str:
        """Tell which line of the user's code the load is at."""
        frame = thread_frames().get(self.thread.ident or 0)
        while frame is not None:
            if frame.f_code.co_filename in self.generation.sources:
                return f"{shown(frame.f_code.co_filename)}:{frame.f_lineno}"
            frame = frame.f_back
        return "no line of a user module"

    def run(self) -> None:
        """Do the load; this is what its thread runs."""
        with entered(self.generation):
            try:
                self._give_event_loop()
                self._give_environment()
                if self._before is not None:
                    self._before()
                    self._before = None
                if self._runs_script:
                    self._modules.run_main(self.generation)
                self._require_entries()
                self._after()
            except BaseException as error:  # a Ctrl-C from the keyboard reaches the main thread only
                self._finish(error)
            else:
                self._finish(None)

    def _require_entries(self) -> None:
        """Import the entries. One that is gone is none any more, if another one is there; the slots tell the rest."""
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

    def _give_event_loop(self) -> None:
        """Let `asyncio.get_event_loop` at module level find a loop, as it does on the main thread."""
        if "asyncio" in sys.modules and sys.version_info < (3, 14):
            import asyncio  # here: most applications have no use for it

            self.generation.event_loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self.generation.event_loop)

    def _give_environment(self) -> None:
        """Let modules find the environment: Google's SDK gives each thread one of its own, and here it is empty."""
        if not os.environ:
            os.environ.update(environment_of_process())

    def _finish(self, error: BaseException | None) -> None:
        with self._when_done:
            if not self.done:
                self.error, self.ended, self.done = error, time.monotonic(), True
                self._when_done.notify_all()
                return
        if error is not None and not isinstance(error, SystemExit | Abandoned):
            report = load_error(self.generation, self.generation.number, error)
            say(f"clean-up of generation {self.generation.number} failed:\n{report.details}", logging.ERROR)


class LoadThread(threading.Thread):
    """A thread that the process does not wait for, but whose own threads it does wait for, as for a script's.

    A load may never end, so its thread is a daemon. Threads inherit that from the one that makes them, and those
    of a script's first run, made on the main thread, are none.
    """

    _runs = False

    def __init__(self, load: Load) -> None:
        super().__init__(name=f"ponyreload generation {load.generation.number}", daemon=True)
        self.load = load

    def run(self) -> None:
        self._runs = True
        self.load.run()

    @property
    def daemon(self) -> bool:
        return not (self._runs and threading.get_ident() == self.ident)

    @daemon.setter
    def daemon(self, value: bool) -> None:  # noqa: ARG002 - the base class's
        raise RuntimeError("a load's thread is always a daemon")


def load_of_this_thread() -> Load | None:
    """Return the load whose own thread is calling: its main script, before, at or after its server."""
    thread = threading.current_thread()
    return thread.load if isinstance(thread, LoadThread) else None
