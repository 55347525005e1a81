"""The reloader: owns the generations, publishes and retires them. What users and adapters hold in hand."""

from __future__ import annotations

import atexit
import functools
import gc
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ponyreload.adapters import ADAPTERS, LIBRARIES, Adapter, adapter_for
from ponyreload.code.sources import Sources
from ponyreload.errors import LoadError
from ponyreload.generations.context import entered, entered_generation, publish
from ponyreload.generations.generation import Generation
from ponyreload.generations.living import Living
from ponyreload.holders.retention import Kept, Retained
from ponyreload.holders.search import Holder
from ponyreload.imports.importing import ImportHooks
from ponyreload.imports.modules import Modules
from ponyreload.imports.names import MAIN, namespace_of
from ponyreload.imports.routed import RoutedModule
from ponyreload.imports.sharing import take_over
from ponyreload.interpreter import frames as thread_frames
from ponyreload.interpreter.mainthread import MainThread
from ponyreload.lifecycle import keeping
from ponyreload.lifecycle.hooks import call_retire_hooks
from ponyreload.loading.adoption import adopt
from ponyreload.loading.journal import Journal
from ponyreload.loading.load import Load, load_of_this_thread
from ponyreload.options import marking
from ponyreload.options.options import Options
from ponyreload.ownership.caches import clear_caches
from ponyreload.ownership.owned import Owned
from ponyreload.reloading.updating import Updater
from ponyreload.reporting import say
from ponyreload.watching.files import Files
from ponyreload.wsgi.slots import Slot

if TYPE_CHECKING:
    from ponyreload.devtools.devtools import Devtools

__all__ = ["Reloader"]

# How long the clean-up of a script may take before it is left to itself.
END_SECONDS = 5.0


class Reloader:
    """Has a new generation loaded when the files change, publishes it, and retires the one before.

    One per process, made by `use_autoreload` or the first `AutoreloadMiddleware`. A context manager: leaving the
    block stops it.

    Threads: the lock of the living generations protects the slots, the error and the number of those who wait, too;
    ``news`` is the condition on it, told of every change of these. ``_devtools_lock`` protects the making of the
    developer's tools. All public methods are safe to call from any thread.
    """

    def __init__(self) -> None:
        self._living = Living()
        self.news = self._living.news
        # Takes back what `lease` has given. It is in the way of each request, so there is no call between.
        self.release = self._living.release
        self._error: LoadError | None = None
        self._slots: dict[object, Slot] = {}
        self._adapters: list[Adapter] = []
        # Entry modules, in the order in which they asked for autoreload: [MAIN, "shop.wsgi"]
        self.entries: list[str] = []
        self._sources = Sources()
        self._files = Files(self._sources)
        self._modules = Modules(self._sources, self._is_included, self._living.all)
        self._hooks = ImportHooks(self._modules)
        self._main_thread = MainThread()
        self._owned = Owned(self._main_thread)
        self._devtools_lock = threading.Lock()
        ours = (self._devtools_lock, keeping.lock, self._modules.lock, self._living.lock)
        self._locks = (*ours, self._sources.lock, thread_frames.lock)
        self._retained = Retained(self._living.all)
        self.journal = Journal()
        self._devtools: Devtools | None = None
        # Whether a browser is to get something of those.
        self.has_devtools = False
        self._waiting = 0  # how many wait for a generation
        self._updater = Updater(self, self._living, self._files, self._modules)

    def __repr__(self) -> str:
        return f"<Reloader: generation {self.generation} serves>"

    # -- for users -------------------------------------------------------------------------------------------

    @property
    def generation(self) -> int:
        """The number of the generation that serves."""
        return self.serving.number

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
            RuntimeError: Called by code that is being loaded itself, which would wait for its own end.
        """
        _refuse_in_load("wait")
        self.start()
        with self.news:
            self._waiting += 1
            self._updater.end_rest()
            try:
                is_over = self.news.wait_for(lambda: self.generation > newer_than or self.is_stopped, timeout)
            finally:
                self._waiting -= 1
            if is_over and self.generation <= newer_than:
                raise RuntimeError("the reloader has been stopped")
            if not is_over:
                raise TimeoutError(f"generation {self.generation} still serves after {timeout} s")
            return self.generation

    def reload(self) -> int:
        """Load a new generation now, whether or not a file changed, and block until it serves.

        Returns:
            The number of the generation now served.

        Raises:
            LoadError: It could not be loaded; the one before serves on.
            RuntimeError: Called by code that is being loaded itself, or after `stop`.
        """
        _refuse_in_load("reload")
        self.start()
        self._updater.ask()
        if self._error is not None:
            raise self._error
        return self.generation

    def retained(self) -> list[Holder]:
        """Return what keeps retired generations in memory: one for each that is, oldest first.

        Has Python collect what nobody holds, and looks at all other objects: about half a second for a million.
        Generation 1 is not told of while the script that it began with runs on, as that holds it.
        """
        gc.collect()
        return self._retained.holders()

    def look_for_holders(self) -> bool:
        """Report, after a collection, what keeps retired generations in memory, each once. Whether to look again."""
        return self._retained.look()

    def stop(self) -> None:
        """End watching and take all hooks out. The generation that serves goes on serving. Safe to call twice."""
        self._updater.stop()
        if self._devtools is not None:
            self._devtools.stop()
        for adapter in self._adapters:
            adapter.uninstall()
        self._adapters.clear()
        self._owned.uninstall()
        self._main_thread.uninstall()
        self._hooks.uninstall(self.serving)

    def __enter__(self) -> Reloader:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    # -- turning on ------------------------------------------------------------------------------------------

    def install(self) -> None:
        """Put the hooks in. Nothing is watched before `start`."""
        self._hooks.install()
        publish(self.serving)
        self._main_thread.install()
        self._owned.install(self._hooks.call_after_import)
        for server in (*ADAPTERS, *LIBRARIES):
            if server in sys.modules:
                self._install_adapter(server)
            else:
                self._hooks.call_after_import[server] = functools.partial(self._install_adapter, server)
        atexit.register(self._at_exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._hold, after_in_parent=self._let_go, after_in_child=self._begin_in_child)
        # When the main thread is at its end, the interpreter waits for all others before it calls what `atexit` has.
        # Threads of later scripts end by their clean-up, so that comes first. Not public, but `concurrent.futures`
        # needs it too; pinned by a test of what we assume of Python.
        threading._register_atexit(self.end)  # type: ignore[attr-defined]

    def _install_adapter(self, server: str) -> None:
        adapter = adapter_for(server)
        adapter.install(self)
        if adapter not in self._adapters:
            self._adapters.append(adapter)

    def add_entry(self, name: str, namespace: dict[str, Any], options: Options) -> None:
        """Note that module *name* asked for autoreload, and with what options; in vain after `stop`."""
        if self.is_stopped:
            return
        is_more = self._files.add(options)
        joined = self._files.options
        with self._devtools_lock:  # or those that are being made may have read the options before
            if self._devtools is not None:
                self._devtools.trust(joined.trusted_clients, joined.trusted_hosts)
        self.has_devtools = joined.browser_refresh is not False
        standing = sys.modules.get(name)
        if (
            standing is not None
            and type(standing) is not RoutedModule
            and namespace_of(name, standing) is not namespace
        ):
            # cProfile, trace and the like run a script in a namespace of their own, under the name of their module.
            if marking.own_word(namespace) is not False:
                text = f"the script was started by {getattr(standing, '__file__', standing)}, and is not in sys.modules"
                say(f"{text}: it is not reloaded, what it imports is", logging.WARNING)
        elif marking.own_word(namespace) is not False and name not in self.entries:
            # The main script is run first, as it was the first time: most entries are imported by it.
            self.entries.insert(0 if name == MAIN else len(self.entries), name)
        self.adopt()
        if is_more and self._updater.is_started:
            self._updater.look()  # there is more to watch, or another interval

    def _is_included(self, name: str, file: str | None = None) -> bool:
        options = self._files.options
        if name in self.entries or marking.is_named_by(name, options.include):
            return True
        return name != MAIN and options.are_of_project(file)

    def adopt(self) -> None:
        """Make the marked modules that Python itself has imported part of generation 1."""
        if self.generation == 1:
            for name in adopt(self._modules, self.serving):
                self._files.adopt(self.serving, name)

    def start(self) -> None:
        """Start watching, if that has not been done. A server's adapter calls it once no fork can come any more."""
        with self.news:
            if self._updater.is_started or self.is_stopped:
                return
            # Greenlets that wait by turns would all have a lock of the thread that they share.
            is_patched_since = not isinstance(self._living.lock, type(threading.RLock()))
            if is_patched_since:
                self._updater.stop()
            else:
                self._owned.start()
                self._updater.start()
        if is_patched_since:
            advice = "have gevent patch first, and leave out gunicorn's --preload"
            say(
                f"threading was patched after ponyreload had been imported, so nothing is reloaded: {advice}",
                logging.ERROR,
            )

    @property
    def watching(self) -> tuple[dict[str, bool], float | None]:
        """The folders that are watched, whether those below each count too; and the seconds between looks, or None."""
        return self._updater.watching

    @property
    def options(self) -> Options:
        """All options that were given so far."""
        return self._files.options

    @property
    def adapters(self) -> tuple[Adapter, ...]:
        """Those of the servers and libraries that have been imported."""
        return tuple(self._adapters)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The applications that servers and middlewares hold."""
        with self.news:
            return tuple(self._slots.values())

    @property
    def is_started(self) -> bool:
        """Whether the files are watched, as a server has started."""
        return self._updater.is_started

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` was called, or the process ends."""
        return self._updater.is_stopping

    # -- requests --------------------------------------------------------------------------------------------

    def slot(
        self,
        key: object,
        name: str,
        app: Any,
        filler: Generation,
        shared: bool = False,
        place: str | None = None,
        make: Callable[[], Any] | None = None,
    ) -> Slot:
        """Fill slot *key* in generation *filler* with *app*; return what a server is to hold.

        Args:
            key: What tells the slot from others, the same in each generation.
            name: How messages call it.
            app: The WSGI application.
            filler: The generation that made *app*.
            shared: Whether *app* serves every generation that does not fill the slot itself.
            place: Where to find the application of a generation that does not fill the slot itself.
            make: Makes the application of a later generation, at the end of its load.
        """
        filler.apps[key] = app
        with self.news:
            return self._slots.setdefault(key, Slot(self, key, name, app if shared else None, place, make))

    def lease(self) -> Generation:
        """Give the caller a hold on the generation that serves; each is to be given back by `release` once."""
        updater = self._updater
        if updater.is_behind or not updater.is_started:
            self.catch_up()
        return self._living.lease()

    def catch_up(self) -> None:
        """Wait, if what serves may be old because nobody has looked, until it is not; `lease` does that too."""
        self.start()
        if self._updater.is_behind:
            self._updater.catch_up()

    # -- generations -----------------------------------------------------------------------------------------

    @property
    def serving(self) -> Generation:
        """The generation that serves new requests."""
        return self._living.serving

    @property
    def retired(self) -> list[Kept]:
        """What is known of retired generations that are in memory, oldest first; costs no search."""
        return self._retained.known()

    @property
    def collected_at(self) -> float:
        """When the last collection of what has retired began, on the monotonic clock."""
        return self._updater.collected_at

    @property
    def living(self) -> tuple[Generation, ...]:
        """The generations that have not been retired, oldest first; also one that is being loaded."""
        return self._living.all()

    def folders(self) -> list[str]:
        """Return the folders that are watched for what serves."""
        return sorted(self._files.folders(self.serving))

    @property
    def has_readers(self) -> bool:
        """Whether an open page waits for news, or a caller of `wait`."""
        return self._waiting > 0 or (self._devtools is not None and self._devtools.has_readers)

    def look_ahead(self) -> None:
        """Do what the first load, or the first page, would have to wait for otherwise."""
        self.devtools()
        self._owned.look()

    def devtools(self) -> Devtools:
        """Return the developer's tools. They are made before the first load, so that they hear of each."""
        with self._devtools_lock:
            if self._devtools is None:
                from ponyreload.devtools.devtools import Devtools  # here: the start need not wait for all of that
                from ponyreload.devtools.page import add_status_page

                options = self._files.options
                made = Devtools(self.journal)
                made.trust(options.trusted_clients, options.trusted_hosts)
                add_status_page(made.routes, self)
                self._devtools = made
            return self._devtools

    def begin(self) -> Generation:
        """Make the generation that is to be loaded next."""
        generation = self._living.begin()
        self._owned.begin(generation)
        return generation

    def may_see(self, environ: dict[str, Any]) -> bool:
        """Tell whether the client of a request may see source text."""
        return self.devtools().routes.access.refusal(environ) is None

    def may_show(self, file: str) -> bool:
        """Tell whether a file that the first load has failed in is a user module's, whose text a client may see."""
        return self._updater.is_user_file(self.serving, file)

    def fill(self, generation: Generation) -> None:
        """Make the applications of a generation that its modules do not make themselves; called in its load."""
        for slot in list(self._slots.values()):
            slot.fill(generation)

    def publish(self, load: Load) -> None:
        """Make a loaded generation the one that serves.

        Raises:
            LookupError: A server holds an application that this generation does not have.
            Exception: What the generation's own start listeners raise; the one before serves on.
        """
        generation = load.generation
        for adapter in self._adapters:
            with entered(generation):
                adapter.before_publish(generation)
        for slot in list(self._slots.values()):
            slot.check(generation)
        # From here on nothing can fail.
        self._modules.sort_out(generation)
        with self.news:
            before = self._living.supersede(generation)
            self._error = None
        take_over(generation)
        before.superseded.set()
        self._main_thread.carry_out(generation.for_main_thread)
        generation.for_main_thread.clear()
        self._owned.published(generation)

    def note(self, error: LoadError | None) -> None:
        """Note why the newest contents are not served, or that they are; tell those who wait."""
        with self.news:
            self._error = error
            self.news.notify_all()

    def retire(self, generation: Generation) -> None:
        """Let go of a superseded generation whose last lease has ended, or of one that will never be served.

        That runs code of the generation, which may take its time, so it has a thread of its own.
        """
        if not self._living.claim(generation):
            return
        generation.superseded.set()
        name = f"ponyreload retires {generation.number}"
        try:
            threading.Thread(target=self._retire, args=(generation,), name=name).start()
        except RuntimeError:  # the interpreter is ending, and starts no more threads
            self._retire(generation)

    def _retire(self, generation: Generation) -> None:
        try:
            for adapter in list(self._adapters):
                with entered(generation):
                    adapter.retire(generation)
            call_retire_hooks(generation)
        finally:
            generation.retired.set()
            # The parked script's clean-up is code of the generation too.
            if generation.load is None or generation.load.join(END_SECONDS):
                generation.close_event_loop()
            self._owned.retire(generation)
            keeping.let_go(generation)
            clear_caches()
            self._living.remove(generation)
            self._modules.tidy()
        # What others may still hold of it stays sound: its modules keep their namespaces.
        generation.apps.clear()
        generation.hooks.clear()
        generation.contents.clear()
        generation.is_told = False
        self._retained.add(generation)
        self._updater.collect_later()  # tells those who wait, too

    # -- the end ---------------------------------------------------------------------------------------------

    def end(self) -> None:
        """Let the parked scripts run their clean-up, and wait for it: the server has ended."""
        deadline = time.monotonic() + END_SECONDS
        for generation in self.living:
            generation.superseded.set()
            if not self._living.claim(generation):  # it is retiring, or this is called once more
                generation.retired.wait(max(0.0, deadline - time.monotonic()))
            call_retire_hooks(generation)
            generation.retired.set()
            self._owned.end(generation)
        for generation in self.living:
            if generation.load is not None and not generation.load.join(max(0.0, deadline - time.monotonic())):
                name = f"generation {generation.number}{'' if generation.published else ', which was never served,'}"
                say(f"{name} did not end within {END_SECONDS} s: {generation.load.where()}", logging.WARNING)
            generation.close_event_loop()

    # -- fork ------------------------------------------------------------------------------------------------

    def _hold(self) -> None:
        # Held over the fork by the thread that forks, so that the child finds the locks free; and no load is busy,
        # which may hold locks that are not ours.
        while True:
            self._updater.finish_load()
            for lock in self._locks:
                lock.acquire()
            if self._updater.unfinished_load() is None:
                return
            self._let_go()

    def _let_go(self) -> None:
        for lock in reversed(self._locks):
            lock.release()

    def _begin_in_child(self) -> None:
        """Begin anew in a forked process, which has only the thread that forked: what serves goes on serving."""
        self._living.begin_in_child()
        self._files.begin_in_child(self.serving)
        keeping.begin_in_child()
        self._retained.begin_in_child()
        self.journal.begin_in_child()
        if self._devtools is not None:
            self._devtools.begin_in_child()
        self._waiting = 0
        self._updater = Updater(self, self._living, self._files, self._modules, is_forked=True)
        self._let_go()

    def begin_in_child(self) -> None:
        """Do what is due in a process that was forked without Python's knowing; its one thread calls this."""
        self._hold()
        self._begin_in_child()

    def _at_exit(self) -> None:
        self._updater.stop()
        self.end()
        keeping.let_go_of_all()


def _refuse_in_load(method: str) -> None:
    inside, load = entered_generation(), load_of_this_thread()
    # An on_reload function runs with the generation that serves, but in the load.
    if (inside is not None and not inside.published) or (load is not None and not load.done):
        raise RuntimeError(f"{method}() was called by a module that is being loaded; call it from elsewhere")
