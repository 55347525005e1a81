"""cheroot: one server for all generations. The first script starts it; those of later generations are parked there."""

from __future__ import annotations

import functools
import logging
import sys
import threading
from collections.abc import Callable
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, WeakSet

from cheroot.server import HTTPServer

from ponyreload.errors import Abandoned
from ponyreload.generations import Generation, calling, entered_generation
from ponyreload.loading import load_of_this_thread
from ponyreload.middleware import Slot
from ponyreload.reloader import Reloader
from ponyreload.reporting import say

__all__ = ["ADAPTER", "CherootAdapter"]

# A script that starts several servers in threads of its own counts as run when all of them have their application;
# one that lacks a server is not waited for any longer.
OTHERS_SECONDS = 1.0


class Running(NamedTuple):
    """What a server was started with; *shared*: its application serves all generations."""

    address: object
    threads: object
    shared: bool


class CherootAdapter:
    """Wraps `cheroot.server.HTTPServer`, which CherryPy's server is a subclass of.

    Threads: a script may start its servers in several. ``_filled`` guards the table of servers, and is told when a
    load hands over an application.
    """

    def __init__(self) -> None:
        # The generation whose code made a server: a script may start it in a thread that has no context.
        self._makers: WeakKeyDictionary[Any, Generation] = WeakKeyDictionary()
        # Those that a load made: each stands in for one that runs, also if a thread starts it after the publish.
        self._stand_ins: WeakSet[Any] = WeakSet()
        # Those that run, each by its own thread.
        self._serving: set[Any] = set()
        # By slot:  ("cheroot", 0) -> Running(("127.0.0.1", 8080), 10, False)
        self._running: dict[object, Running] = {}
        self._filled = threading.Condition()
        self._plain: dict[str, Any] = {}

    def install(self, reloader: Reloader) -> None:
        self._reloader = reloader
        self._wrap("__init__", self._init)
        self._wrap("prepare", self._prepare)
        self._wrap("serve", self._serve)

    def uninstall(self) -> None:
        for name, plain in self._plain.items():
            setattr(HTTPServer, name, plain)

    def before_publish(self, generation: Generation) -> None:
        """Nothing is due: a script hands over its application when it starts its server."""

    def retire(self, generation: Generation) -> None:
        """Nothing is held."""

    def _wrap(self, name: str, wrapper: Callable[..., Any]) -> None:
        plain = self._plain[name] = getattr(HTTPServer, name)

        @functools.wraps(plain)
        def method(server: Any, *args: Any, **kwargs: Any) -> Any:
            return wrapper(server, *args, **kwargs)

        setattr(HTTPServer, name, method)

    def _init(self, server: Any, *args: Any, **kwargs: Any) -> None:
        maker = entered_generation() or calling()
        if maker is not None:
            self._makers[server] = maker
            if maker.load is not None and not maker.published:
                self._stand_ins.add(server)
        self._plain["__init__"](server, *args, **kwargs)

    def _maker(self, server: Any) -> Generation | None:
        """Return the generation whose code made or starts a server; None if that is no user code."""
        return self._makers.get(server) or entered_generation() or calling()

    def _prepare(self, server: Any) -> None:
        """Start a server that is new to the process; take the application of one that runs already."""
        app, generation = getattr(server, "wsgi_app", None), self._maker(server)
        if generation is not None and server in self._stand_ins:
            self.hand_over(server, generation)
            return
        if _is_shared(app):
            self._take_first(server, app, generation or self._reloader.living[0], shared=True)
        elif generation is not None and app is not None and not isinstance(app, Slot):
            self._take_first(server, app, generation, shared=False)
        self._reloader.start()
        self._plain["prepare"](server)

    def _serve(self, server: Any) -> None:
        """Serve; or, in a later generation's script, wait until that generation retires."""
        generation = self._maker(server)
        if generation is not None and generation.load is not None and server in self._stand_ins:
            with self._filled:
                self._filled.wait_for(lambda: generation.abandoned or self._all_filled(generation), OTHERS_SECONDS)
            try:
                generation.load.park()
            except Abandoned:
                if load_of_this_thread() is not None:
                    raise
            return
        self._serving.add(server)
        try:
            self._plain["serve"](server)
        finally:
            self._serving.discard(server)
            main = threading.main_thread()
            if threading.current_thread() is main or not (main.is_alive() or self._serving):
                self._reloader.end()

    def _all_filled(self, generation: Generation) -> bool:
        return all(running.shared or key in generation.apps for key, running in self._running.items())

    def _take_first(self, server: Any, app: Any, generation: Generation, shared: bool) -> None:
        with self._filled:
            key = ("cheroot", len(self._running))
            self._running[key] = _running(server, shared)
        name = f"the server at {_shown(server.bind_addr)}"
        server.wsgi_app = self._reloader.slot(key, name, app, generation, shared=shared)

    def hand_over(self, server: Any, generation: Generation) -> None:
        """Fill the slot of the server that *server* stands for, which runs, with *server*'s application."""
        wanted = _running(server, _is_shared(server.wsgi_app))
        with self._filled:
            free = [key for key in self._running if key not in generation.apps or self._running[key].shared]
            fitting = [key for key in free if self._running[key].address == wanted.address]
            fitting = fitting or [key for key in free if self._running[key].shared == wanted.shared]
            running = self._running[fitting[0]] if fitting else None
            if fitting:
                generation.apps[fitting[0]] = server.wsgi_app
            self._filled.notify_all()
        if running is None:
            say(f"a new server at {_shown(wanted.address)} takes a restart of the process to run", logging.WARNING)
            return
        for what, new, old in (
            ("address", wanted.address, running.address),
            ("number of threads", wanted.threads, running.threads),
        ):
            if new != old:
                text = f"the server's {what} changed from {_shown(old)} to {_shown(new)}: that takes a restart"
                say(f"{text} of the process; what runs goes on as it is", logging.WARNING)


def _is_shared(app: Any) -> bool:
    """Tell whether *app* is `cherrypy.tree`, which is one object for all generations."""
    cherrypy = sys.modules.get("cherrypy")
    return cherrypy is not None and app is getattr(cherrypy, "tree", None)


def _running(server: Any, shared: bool) -> Running:
    return Running(server.bind_addr, getattr(server.requests, "min", None), shared)


def _shown(value: object) -> str:
    return ":".join(map(str, value)) if isinstance(value, tuple) else str(value)


ADAPTER = CherootAdapter()
