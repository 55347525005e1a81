"""cheroot: one server for all generations. The first script starts it; those of later generations are parked there."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from cheroot.server import HTTPServer

from ponyreload.generations import Generation, active
from ponyreload.middleware import Slot
from ponyreload.reloader import Reloader
from ponyreload.reporting import say

__all__ = ["ADAPTER", "CherootAdapter"]


class CherootAdapter:
    """Wraps `cheroot.server.HTTPServer`, which CherryPy's server is a subclass of.

    Threads: the tables are filled by scripts, which run one after the other; a script with servers in several
    threads fills them in the order of its calls, each by one assignment.
    """

    def __init__(self) -> None:
        # The generation whose code made a server: a script may start it in a thread that has no context.
        self._makers: WeakKeyDictionary[Any, Generation] = WeakKeyDictionary()
        # What runs, by slot:  ("cheroot", 0) -> the address and the number of threads that it was started with
        self._running: dict[object, tuple[object, object]] = {}
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
        maker = active()
        if maker is not None:
            self._makers[server] = maker
        self._plain["__init__"](server, *args, **kwargs)

    def _prepare(self, server: Any) -> None:
        """Start a server that is new to the process; take the application of one that runs already."""
        generation = self._makers.get(server) or active()
        if generation is not None and not isinstance(getattr(server, "wsgi_app", None), Slot):
            if self._is_in_load(generation):
                self.hand_over(server, generation)
                return
            self._take_first(server, generation)
        elif generation is not None and self._is_in_load(generation):
            return
        self._reloader.start()
        self._plain["prepare"](server)

    def _serve(self, server: Any) -> None:
        """Serve; or, in a later generation's script, wait until that generation retires."""
        generation = self._makers.get(server) or active()
        if generation is not None and generation.load is not None and not server.ready:
            generation.load.park()
            return
        try:
            self._plain["serve"](server)
        finally:
            if threading.current_thread() is threading.main_thread():
                self._reloader.end()

    @staticmethod
    def _is_in_load(generation: Generation) -> bool:
        """Tell whether a server of this generation would stand in for one that runs: not if a request starts it."""
        return generation.load is not None and not generation.published

    def _take_first(self, server: Any, generation: Generation) -> None:
        key = ("cheroot", len(self._running))
        self._running[key] = _options(server)
        if hasattr(server, "wsgi_app"):
            # CherryPy's own server serves `cherrypy.tree`, which is one object for all generations.
            shared = type(server).__module__.startswith("cherrypy.")
            name = f"the server at {_shown(server.bind_addr)}"
            server.wsgi_app = self._reloader.slot(key, name, server.wsgi_app, generation, shared=shared)

    def hand_over(self, server: Any, generation: Generation) -> None:
        """Fill the slot of the server that *server* stands for, which runs, with *server*'s application."""
        options = _options(server)
        free = [key for key in self._running if key not in generation.apps]
        same = [key for key in free if self._running[key][0] == options[0]] or free
        if not same:
            say(f"a new server at {_shown(options[0])} takes a restart of the process to run", logging.WARNING)
            return
        running = self._running[same[0]]
        for what, new, old in zip(("address", "number of threads"), options, running, strict=True):
            if new != old:
                text = f"the server's {what} changed from {_shown(old)} to {_shown(new)}: that takes a restart"
                say(f"{text} of the process; what runs goes on as it is", logging.WARNING)
        generation.apps[same[0]] = server.wsgi_app


def _options(server: Any) -> tuple[object, object]:
    return server.bind_addr, getattr(server.requests, "min", None)


def _shown(value: object) -> str:
    return ":".join(map(str, value)) if isinstance(value, tuple) else str(value)


ADAPTER = CherootAdapter()
