"""The reloader: the object that users, adapters and slots talk to. Its work is done in the other files of this room."""

from __future__ import annotations

import atexit
import gc
import glob
import logging
import os
import threading
from collections.abc import Callable
from typing import Any

from ponyreload.errors import LoadError
from ponyreload.generations.context import entered_generation, publish
from ponyreload.generations.generation import Generation
from ponyreload.generations.lease import Lease
from ponyreload.holders.search import Holder
from ponyreload.imports.names import MAIN
from ponyreload.interpreter import private
from ponyreload.interpreter.forklocks import begin_in_child
from ponyreload.lifecycle import keeping
from ponyreload.loading.load import load_of_this_thread
from ponyreload.options.options import Options
from ponyreload.reloading.application import Application
from ponyreload.reloading.forking import Forking
from ponyreload.reloading.launcher import find_launcher
from ponyreload.reloading.publishing import Publishing
from ponyreload.reloading.retiring import Retiring
from ponyreload.reloading.tools import DeveloperTools
from ponyreload.reloading.updating import Updater
from ponyreload.reporting import say
from ponyreload.wsgi.slots import Slot
from ponyreload.wsgi.tools import Tools

__all__ = ["Reloader"]


class Reloader:
    """Loads a new generation when the files change, publishes it, and retires the one before.

    One per process, made by `use_autoreload` or the first `AutoreloadMiddleware`. A context manager: leaving the
    block stops it. All public methods are safe to call from any thread.

    Args:
        make_tools: Makes the developer's tools of an application.

    Attributes:
        application: The state that is shared by those who reload; its class says which lock protects what.
        updater: The thread of this process. A forked process gets another one.
        tools: The developer's tools; None if a browser is to get nothing of ours.
    """

    def __init__(self, make_tools: Callable[[Application], DeveloperTools]) -> None:
        self.application = Application(make_tools, self.start)
        self._living = self.application.living
        # Takes back what `lease` has given. It runs on every request, so there is no call between.
        self.release = self._living.release
        self.tools: Tools | None = None
        self._publishing = Publishing(self.application, self)
        self._retiring = Retiring(self.application)
        self.slot = self._publishing.slot
        self.end = self._retiring.end
        self.updater = self._new_updater(is_forked=False)
        self._forking = Forking(self.application, lambda: self.updater, self._replace_updater)
        self.begin_in_child = begin_in_child  # for a server that forks without Python's knowledge

    def _new_updater(self, is_forked: bool) -> Updater:
        return Updater(self.application, self._publishing, self._retiring, is_forked)

    def _replace_updater(self) -> None:
        self.updater = self._new_updater(is_forked=True)

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
        return self.application.error

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
        news = self.application.news
        with news:
            self.application.waiting += 1
            self.updater.pace.end_rest()
            try:
                is_over = news.wait_for(lambda: self.generation > newer_than or self.is_stopped, timeout)
            finally:
                self.application.waiting -= 1
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
        self.updater.pace.ask()
        if self.error is not None:
            raise self.error
        return self.generation

    def retained(self) -> list[Holder]:
        """Return what keeps retired generations in memory: one holder for each that is, oldest first.

        Runs the garbage collector, and walks over all objects: about half a second for a million. Generation 1 is
        not reported while the script that it began with runs on, as that holds it.
        """
        gc.collect()
        return self.application.retained.holders()

    def stop(self) -> None:
        """End watching and remove all hooks. The current generation keeps serving. Safe to call twice."""
        application = self.application
        self.updater.stop()
        application.tools.stop()
        application.adapters.uninstall()
        application.owned.uninstall()
        application.main_thread.uninstall()
        application.hooks.uninstall(self.serving)

    def __enter__(self) -> Reloader:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    # -- turning on ------------------------------------------------------------------------------------------

    def install(self) -> None:
        """Put the hooks in. Nothing is watched before `start`."""
        application = self.application
        application.hooks.install()
        publish(self.serving)
        application.main_thread.install()
        application.owned.install(application.hooks.after_import)
        application.adapters.install(self, application.hooks.after_import)
        atexit.register(self._at_exit)
        self._forking.install()
        # Threads of later scripts end by their clean-up, so that comes before Python waits for them.
        private.call_before_threads_are_joined(self.end)

    def add_entry(self, name: str, namespace: dict[str, Any], options: Options) -> None:
        """Note that module *name* asked for autoreload, and with what options; in vain after `stop`."""
        if self.is_stopped:
            return
        application = self.application
        is_more = application.files.add_options(options)
        application.tools.take_options()
        self.tools = None if application.options.browser_refresh is False else application.tools
        if not application.entries.add(name, namespace):
            application.modules.unlisted.append(namespace)
        application.adopt()
        if is_more and self.updater.is_started:
            self.updater.pace.lookout.schedule_scan(0)  # there is more to watch, or another interval

    def note_unrouted(self, server: str) -> None:
        """Note that a server calls an application of which nothing is known, so it cannot be given a newer one."""
        self.application.unrouted.append(server)

    def watch_file(self, file: str) -> None:
        """Have a change of *file* fire a reload, as one of `extra_files` does; call it before the file is read."""
        options = Options(extra_files=(glob.escape(os.path.abspath(file)),))
        if self.application.files.add_options(options) and self.updater.is_started:
            self.updater.pace.lookout.schedule_scan(0)  # there is more to watch

    def take_launcher(self) -> None:
        """Have loads run the main script too, if it has user code start a server now, and is not marked itself."""
        self.application.adopt()
        namespace = find_launcher()
        if namespace is not None and not self.is_stopped:
            self.application.entries.add(MAIN, namespace)
            self.application.adopt()

    def start(self) -> None:
        """Start watching, unless that has been done. A server's adapter calls it once no fork can come any more."""
        with self.application.news:
            if self.updater.is_started or self.is_stopped:
                return
            # Greenlets that wait by turns would all have a lock of the thread that they share.
            is_patched_since = not isinstance(self._living.lock, type(threading.RLock()))
            if is_patched_since:
                self.updater.stop()
            else:
                self.application.owned.start()
                self.application.is_served = True
                self.updater.start()
        if is_patched_since:
            advice = "patch with gevent first, and start gunicorn without --preload"
            say(
                f"threading was patched after ponyreload was imported, so nothing is reloaded: {advice}",
                logging.ERROR,
            )

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` was called, or the process ends."""
        return self.updater.pace.is_stopping

    # -- for adapters and slots ------------------------------------------------------------------------------

    @property
    def serving(self) -> Generation:
        """The generation that serves new requests."""
        return self._living.serving

    @property
    def living(self) -> tuple[Generation, ...]:
        """The generations that have not been retired, oldest first; also one that is being loaded."""
        return self._living.all()

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The applications that servers and middlewares hold."""
        return self._publishing.slots

    def lease(self, environ: dict[str, Any]) -> Lease:
        """Give a request a hold on the generation that serves; give it back by `release`, once."""
        updater = self.updater
        if updater.pace.is_behind or not updater.is_started:
            self.catch_up()
        return self._living.lease(environ)

    def catch_up(self) -> None:
        """Wait, if newer contents may have gone unseen, until they are served; `lease` does that too."""
        self.start()
        if self.updater.pace.is_behind:
            self.updater.pace.catch_up()

    # -- the end ---------------------------------------------------------------------------------------------

    def _at_exit(self) -> None:
        self.updater.stop()
        self.end()
        keeping.let_go_of_all()


def _refuse_in_load(method: str) -> None:
    inside, load = entered_generation(), load_of_this_thread()
    # An on_reload function runs with the generation that serves, but in the load.
    if (inside is not None and not inside.published) or (load is not None and not load.done):
        raise RuntimeError(f"{method}() was called by a module that is being loaded; call it from elsewhere")
