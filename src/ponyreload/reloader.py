"""The reloader: owns the current generation. Loads, publishes, retires, waits; holds all locks."""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import logging
import os
import sys
import threading
import time
from typing import Any

from ponyreload import marking
from ponyreload.adapters import ADAPTERS, Adapter, adapter_for
from ponyreload.errors import LoadError
from ponyreload.files import Files
from ponyreload.generations import Generation, entered, entered_generation, publish
from ponyreload.hooks import call_reload_hooks
from ponyreload.importing import MAIN, Importer
from ponyreload.loading import Load
from ponyreload.mainthread import MainThread
from ponyreload.middleware import Slot
from ponyreload.options import Options
from ponyreload.reporting import listed, load_error, say, shown
from ponyreload.sources import Sources
from ponyreload.watcher import Watcher, events_arrive

__all__ = ["Reloader"]

# A save that does not load is reported when the files have been quiet for so long: the next keystroke may mend it.
QUIET_SECONDS = 0.1
# A load that lasts longer says where it is, and again after each doubling.
LONG_LOAD_SECONDS = 2.0
POLL_SECONDS = 1.0
# After a reload, memory of retired generations is collected when nothing has changed for so long: a collection
# stops all threads, and must not come between a save and its reload.
COLLECT_SECONDS = 1.0


class Reloader:
    """Loads a new generation when the files change, publishes it, and retires the one before.

    One per process, made by `use_autoreload` or the first `AutoreloadMiddleware`. A context manager: leaving the
    block stops it.

    Threads: one thread, "ponyreload", looks at files, starts loads, publishes and retires; each load has a thread
    of its own. ``_lock`` protects the current generation, the leases, the list of living generations and the
    requests to the thread; nobody's code runs while it is held. ``_news`` is a condition on it, told of every
    change of these. All public methods are safe to call from any thread.
    """

    def __init__(self) -> None:
        # Re-entrant, because the collector may drop an abandoned response body, and so end its lease, at any moment
        # of any thread, also while that holds the lock.
        self._lock = threading.RLock()
        self._news = threading.Condition(self._lock)
        self._current = Generation(1)
        self._living = [self._current]
        self._sources = Sources()
        self._importer = Importer(self._sources, self._is_included)
        self._main_thread = MainThread()
        self._files = Files(self._sources)
        self._watcher = Watcher(self._touched, self._files.matter)
        # Entry modules, in the order in which they asked for autoreload: [MAIN, "shop.wsgi"]
        self._entries: list[str] = []
        self._slots: dict[object, Slot] = {}
        self._adapters: list[Adapter] = []
        self._error: LoadError | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._look_at: float | None = None  # when to look at the files next, on the monotonic clock
        self._polling: float | None = None  # seconds between looks, where events do not arrive
        self._told_of: set[str] = set()
        self._asked = 0  # how many calls of reload() there were, and up to which they are answered
        self._answered = 0
        self._collect_at: float | None = None

    def __repr__(self) -> str:
        return f"<Reloader: generation {self.generation} serves>"

    # -- for users -------------------------------------------------------------------------------------------

    @property
    def generation(self) -> int:
        """The number of the generation that serves."""
        return self._current.number

    @property
    def error(self) -> LoadError | None:
        """Why the newest contents are not served; None when they are."""
        return self._error

    def wait(self, newer_than: int, timeout: float | None = None) -> int:
        """Block until a generation newer than *newer_than* is served.

        Args:
            newer_than: A generation number from an earlier call.
            timeout: Seconds to wait; None waits for ever.

        Returns:
            The number of the generation now served.

        Raises:
            TimeoutError: Nothing newer was published within *timeout* seconds.
        """
        self.start()
        with self._news:
            if not self._news.wait_for(lambda: self._current.number > newer_than, timeout):
                raise TimeoutError(f"generation {self._current.number} still serves after {timeout} s")
            return self._current.number

    def reload(self) -> int:
        """Load a new generation now, whether or not a file changed, and block until it serves.

        Returns:
            The number of the generation now served.

        Raises:
            LoadError: It could not be loaded; the one before serves on.
            RuntimeError: Called by code that is being loaded itself, or after `stop`.
        """
        inside = entered_generation()
        if inside is not None and not inside.published:
            raise RuntimeError("reload() was called by a module that is being loaded; call it from elsewhere")
        self.start()
        with self._news:
            if self._stopping:
                raise RuntimeError("the reloader has been stopped")
            self._asked += 1
            ticket = self._asked
            self._news.notify_all()
            self._news.wait_for(lambda: self._answered >= ticket or self._stopping)
            if self._error is not None:
                raise self._error
            return self._current.number

    def stop(self) -> None:
        """End watching and take all hooks out. The generation that serves goes on serving. Safe to call twice."""
        with self._news:
            self._stopping = True
            self._news.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        self._watcher.stop()
        for adapter in self._adapters:
            adapter.uninstall()
        self._main_thread.uninstall()
        self._importer.uninstall(self._current)
        atexit.unregister(self._at_exit)

    def __enter__(self) -> Reloader:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    # -- turning on ------------------------------------------------------------------------------------------

    def add_entry(self, name: str, namespace: dict[str, Any], options: Options) -> None:
        """Note that module *name* asked for autoreload, and with what options."""
        self._files.options = self._files.options.joined(options)
        if marking.own_word(namespace) is not False and name not in self._entries:
            # The main script is run first, as it was the first time: most entries are imported by it.
            self._entries.insert(0 if name == MAIN else len(self._entries), name)
        self._adopt()

    def _is_included(self, name: str) -> bool:
        return name in self._entries or marking.is_named_by(name, self._files.options.include)

    def install(self) -> None:
        """Put the hooks in. Nothing is watched before `start`."""
        self._importer.install(lambda: self.living)
        publish(self._current)
        self._main_thread.install()
        for server in ADAPTERS:
            if server in sys.modules:
                self._install_adapter(server)
            else:
                self._importer.call_after_import[server] = functools.partial(self._install_adapter, server)
        atexit.register(self._at_exit)

    def _install_adapter(self, server: str) -> None:
        adapter = adapter_for(server)
        adapter.install(self)
        self._adapters.append(adapter)

    def _adopt(self) -> None:
        """Make the marked modules that Python has imported part of generation 1."""
        if self._current.number == 1 and self._importer.installed:
            for name in self._importer.adopt(self._current):
                self._files.adopt(self._current, name)
            self._files.begin()

    def start(self) -> None:
        """Start watching, if that has not been done. A server's adapter calls it once no fork can come any more."""
        with self._lock:
            if self._thread is None and not self._stopping:
                self._thread = threading.Thread(target=self._run, name="ponyreload", daemon=True)
                self._thread.start()

    # -- requests --------------------------------------------------------------------------------------------

    def slot(self, key: object, name: str, app: Any, filler: Generation, shared: bool = False) -> Slot:
        """Fill slot *key* in generation *filler* with *app*; return what a server is to hold.

        Args:
            key: What tells the slot from others, the same in each generation.
            name: How messages call it.
            app: The WSGI application.
            filler: The generation that made *app*.
            shared: Whether *app* serves every generation that does not fill the slot itself.
        """
        filler.apps[key] = app
        with self._lock:
            return self._slots.setdefault(key, Slot(self, key, name, app if shared else None))

    def lease(self) -> Generation:
        """Give the caller a hold on the generation that serves; each is to be given back by `release` once."""
        if self._thread is None:
            self.start()
        with self._lock:
            generation = self._current
            generation.leases += 1
        return generation

    def release(self, generation: Generation) -> None:
        """Take back a lease."""
        with self._news:
            generation.leases -= 1
            if generation.leases == 0 and generation is not self._current:
                self._news.notify_all()

    # -- the thread ------------------------------------------------------------------------------------------

    def _touched(self, delay: float) -> None:
        """Have the files looked at in *delay* seconds, or at once if that was asked for already."""
        due = time.monotonic() + delay
        with self._news:
            if self._look_at is None or due < self._look_at:
                self._look_at = due
                self._news.notify_all()

    def _run(self) -> None:
        self._adopt()
        self._watch()
        self._touched(0)  # what changed before the watching began
        while self._attend():
            pass

    def _attend(self) -> bool:
        """Wait for something to do, and do it; False when there will be no more."""
        with self._news:
            self._news.wait_for(lambda: self._is_called(), self._seconds_until(self._look_at, self._collect_at))
            if self._stopping:
                return False
            idle = [each for each in self._living if each is not self._current and each.leases == 0]
            look, asked = self._is_due(self._look_at), self._asked
        for generation in idle:
            self._retire(generation)
        if look or asked > self._answered:
            self._bring_up_to_date(force=asked > self._answered)
            with self._news:
                self._answered = asked
                self._news.notify_all()
        if self._is_due(self._collect_at):
            self._collect_at = None
            gc.collect()
        return True

    def _is_called(self) -> bool:
        """Tell whether there is something to do now. Called with the lock held."""
        return (
            self._stopping
            or self._asked > self._answered
            or self._is_due(self._look_at)
            or self._is_due(self._collect_at)
            or any(each.leases == 0 and each is not self._current for each in self._living)
        )

    @staticmethod
    def _is_due(at: float | None) -> bool:
        return at is not None and at <= time.monotonic()

    @staticmethod
    def _seconds_until(*times: float | None) -> float | None:
        due = [at for at in times if at is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _bring_up_to_date(self, force: bool) -> None:
        """Load and publish until what serves is what the files say, or say why that cannot be."""
        pause = 0.005
        changed: set[str] = set()
        while True:
            with self._lock:
                self._look_at = None if self._polling is None else time.monotonic() + self._polling
            self._tell_of_strangers()
            changed |= self._files.changes(self._current)
            if not changed and not force:
                break
            if not force and self._files.are_as_served(self._current):
                changed.clear()
                if self._error is not None:
                    self._error = None
                    say(f"generation {self._current.number} serves: the files are again what it was loaded from")
                break
            started = time.monotonic()
            load, error = self._try(changed)
            if self._stopping:
                return
            if error is None and load.done and not self._has_changes(load.generation):
                error = self._publish(load, changed, started)
            if error is None and load.generation.published:
                break
            self._discard(load)
            if error is not None and not self._changes_within(QUIET_SECONDS):
                self._fail(load, error)
                break
            # Overtaken: the contents are moving. Let them settle a little, a little longer each time.
            self._changes_within(pause, until_quiet=True)
            pause = min(2 * pause, QUIET_SECONDS)
        self._watch()

    def _try(self, changed: set[str]) -> tuple[Load, BaseException | None]:
        """Load a generation; return it with what went wrong, if something did. One that was overtaken is not done."""
        broken = self._files.compile(changed)
        load = self._load(hooks=not broken)
        if broken and load.done and load.error is None:
            # A file that does not compile, and is not imported any more, does not matter. Its hooks are due, though.
            if not self._files.any_needed(load.generation, broken):
                self._discard(load)
                return self._load(hooks=True), None
            return load, next(iter(broken.values()))
        return load, load.error

    def _load(self, hooks: bool) -> Load:
        """Run one load until it is done or newer contents have overtaken it."""
        number = self._current.number + 1
        generation = Generation(number)
        serving = self._current
        importlib.invalidate_caches()
        load = Load(
            generation,
            self._entries_of(serving),
            serving.modules.get(MAIN),
            self._importer,
            (lambda: call_reload_hooks(serving)) if hooks else (lambda: None),
            self._news,
        )
        with self._news:
            self._living.append(generation)
        load.start()
        notice = load.started + LONG_LOAD_SECONDS
        while True:
            with self._news:
                self._news.wait_for(
                    lambda: load.done or self._is_due(self._look_at) or self._stopping,
                    self._seconds_until(self._look_at, notice),
                )
                if load.done or self._stopping:
                    return load
                look = self._is_due(self._look_at)
            if look and self._has_changes(generation):
                return load
            if self._is_due(notice):
                seconds = time.monotonic() - load.started
                say(f"generation {number} is still loading after {seconds:.0f} s: {load.where()}", logging.WARNING)
                notice += seconds

    def _entries_of(self, serving: Generation) -> list[str]:
        """Return the modules that a load is to import, besides the main script, which imports what it needs."""
        if MAIN in serving.modules:
            return []
        if self._entries:
            return self._entries
        # What asked for autoreload is itself a system module; so all that it had imported is loaded again.
        return [name for name, module in serving.modules.items() if os.path.isfile(getattr(module, "__file__", ""))]

    def _has_changes(self, loading: Generation | None = None) -> bool:
        """Look whether there are changes that the last load has not seen; they stay to be seen."""
        with self._lock:
            if self._look_at is None or not self._is_due(self._look_at):
                return False
        if self._files.differ(self._current, loading):
            return True
        with self._lock:
            self._look_at = None if self._polling is None else time.monotonic() + self._polling
        return False

    def _changes_within(self, seconds: float, until_quiet: bool = False) -> bool:
        """Wait for changes. True as soon as there are some, or, *until_quiet*, after so many seconds without any."""
        deadline = time.monotonic() + seconds
        while not self._stopping:
            with self._news:
                self._news.wait_for(
                    lambda: self._is_due(self._look_at) or self._stopping, self._seconds_until(deadline, self._look_at)
                )
                due = self._is_due(self._look_at)
            if due and until_quiet:
                with self._lock:
                    self._look_at = None
                deadline = time.monotonic() + seconds
            elif due and self._has_changes():
                return True
            elif time.monotonic() >= deadline:
                return False
        return False

    def _publish(self, load: Load, changed: set[str], started: float) -> BaseException | None:
        """Make a loaded generation the one that serves; return what prevented it."""
        generation = load.generation
        try:
            for slot in list(self._slots.values()):
                slot.check(generation)
            self._importer.sort_out(generation)
            for adapter in self._adapters:
                with entered(generation):
                    adapter.before_publish(generation)
        except Exception as error:
            return error
        self._files.served(generation)
        # The new generation is published before the old one can retire, or a request would find neither.
        with self._news:
            self._current = generation
            self._error = None
            publish(generation)
        self._main_thread.carry_out(generation.for_main_thread)
        generation.for_main_thread.clear()
        milliseconds = (time.monotonic() - started) * 1000
        what = f"{listed(changed)} changed" if changed else "asked for"
        say(f"generation {generation.number} serves: {what} ({milliseconds:.0f} ms)")
        with self._news:
            self._news.notify_all()
        self._collect_at = time.monotonic() + COLLECT_SECONDS
        return None

    def _fail(self, load: Load, error: BaseException) -> None:
        """Report a load that failed when the files are quiet; what served before serves on."""
        report = load_error(load.generation, self._current.number, error)
        self._files.failed(load.generation)
        serving = self._current.number
        outcome = f"{report}\nstill serving generation {serving}; save the file to try again"
        say(f"{report.details}\n{outcome}", logging.ERROR)
        with self._news:
            self._error = report
            self._news.notify_all()

    def _discard(self, load: Load) -> None:
        """Let go of a generation that will never be served."""
        generation = load.generation
        load.abandon()
        # Most loads end at their next import. One that does not is left to itself: it can do no harm to others.
        load.join(QUIET_SECONDS)
        self._bury(generation)

    def _retire(self, generation: Generation) -> None:
        """Let go of a superseded generation whose last lease has ended."""
        generation.retired.set()
        self._bury(generation)

    def _bury(self, generation: Generation) -> None:
        for adapter in self._adapters:
            with entered(generation):
                adapter.retire(generation)
        if generation.event_loop is not None and not generation.event_loop.is_running():
            generation.event_loop.close()
        with self._lock:
            self._living.remove(generation)
        self._importer.tidy()
        # What others may still hold of it stays sound: its modules keep their namespaces.
        generation.apps.clear()
        generation.hooks.clear()
        generation.contents.clear()

    def _tell_of_strangers(self) -> None:
        """Say of each of the project's system modules that has changed that it will not be reloaded."""
        for name, file in self._files.changed_strangers():
            what = f"{shown(file)} changed, but {name} is no user module: only a restart brings it in"
            say(f'{what}; mark it with "from ponyreload import *" to have it reloaded after that', logging.WARNING)

    def _tell_of_unreadable(self) -> None:
        """Say of each marked module that has no source file why it will not be reloaded; once."""
        for name, file in self._importer.find_unreadable().items():
            if name not in self._told_of:
                self._told_of.add(name)
                why = f"{name} is marked, but has no source file that can be read again ({file})"
                say(f"{why}: it stays as it is; unpack the archive that holds it to have it reloaded", logging.WARNING)

    def _watch(self) -> None:
        """Watch the folders of what serves, and of what failed to."""
        self._tell_of_unreadable()
        folders = self._files.folders(self._current)
        self._polling = self._files.options.poll_seconds
        if self._polling is None and not all(map(events_arrive, folders)):
            self._polling = POLL_SECONDS
        if self._polling is None:
            try:
                if self._watcher.watch(folders):
                    self._touched(0)
            except OSError as error:
                say(f"no file events ({error}); looking at the files every {POLL_SECONDS} s instead", logging.WARNING)
                self._polling = POLL_SECONDS
        if self._polling is not None:
            self._watcher.stop()
            self._touched(self._polling)

    # -- the end ---------------------------------------------------------------------------------------------

    def end(self, seconds: float = 5.0) -> None:
        """Let the parked scripts run their clean-up, and wait for it up to so many seconds: the process ends."""
        deadline = time.monotonic() + seconds
        for generation in list(self._living):
            generation.retired.set()
        for generation in list(self._living):
            if generation.load is not None and not generation.load.join(max(0.0, deadline - time.monotonic())):
                say(f"generation {generation.number} did not end within {seconds} s", logging.WARNING)

    def _at_exit(self) -> None:
        with self._news:
            self._stopping = True
            self._news.notify_all()
        self.end()

    # -- for adapters ----------------------------------------------------------------------------------------

    @property
    def living(self) -> tuple[Generation, ...]:
        """The generations that have not been retired, oldest first; also one that is being loaded."""
        with self._lock:
            return tuple(self._living)
