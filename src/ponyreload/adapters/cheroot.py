"""cheroot: one server for all generations. The first script starts it; those of later generations are parked there."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary, WeakSet, ref

from cheroot.server import HTTPServer

from ponyreload.adapters.adapter import Adapter, Host
from ponyreload.adapters.servers import Offer, Servers, maker_of_this
from ponyreload.generations.generation import Generation

__all__ = ["ADAPTER", "CherootAdapter"]

# Seconds that an idle worker is held while others are called: one of them may just have become busy.
GATHER_SECONDS = 0.05


class CherootAdapter(Adapter):
    """Wraps `cheroot.server.HTTPServer`, which CherryPy's server is a subclass of."""

    def __init__(self) -> None:
        super().__init__()
        # The generation whose code made a server: a script may start it in a thread that has no context. A weak
        # reference, because a script may have its server as a global, and so a generation the server.
        self._makers: WeakKeyDictionary[Any, ref[Generation]] = WeakKeyDictionary()
        # Those that a load made: each stands in for one that runs, also if a thread starts it after the publish.
        self._stand_ins: WeakSet[Any] = WeakSet()
        # Those that run, each by its own thread.
        self._serving: set[Any] = set()
        self._servers = Servers("cheroot")

    def install(self, host: Host) -> None:
        self.host = host
        self.patches.wrap(HTTPServer, "__init__", self._init)
        self.patches.wrap(HTTPServer, "prepare", self._prepare)
        self.patches.wrap(HTTPServer, "serve", self._serve)

    def _init(self, plain: Callable[..., None], server: Any, *args: Any, **kwargs: Any) -> None:
        maker = maker_of_this()
        if maker is not None:
            self._makers[server] = ref(maker)
            if maker.load is not None and not maker.published:
                self._stand_ins.add(server)
        plain(server, *args, **kwargs)
        if server in self._stand_ins:
            # Each server enters itself here for good. One that never serves has nothing to count.
            statistics: dict[str, Any] = getattr(logging, "statistics", {})
            statistics.pop(f"Cheroot HTTPServer {id(server)}", None)

    def _maker(self, server: Any) -> Generation | None:
        """Return the generation whose code made or starts a server; None if that is not user code."""
        made_by = self._makers.get(server)
        return (made_by and made_by()) or maker_of_this()

    def _prepare(self, plain: Callable[[Any], None], server: Any) -> None:
        """Start a server that is new to the process; take the application of one that runs already."""
        generation = self._maker(server)
        if generation is not None and server in self._stand_ins:
            self.hand_over(server, generation)
            return
        offer = _offer(server)
        if offer.app is not None:
            server.wsgi_app = self._servers.begin(self.host, offer, generation)
        self.host.start()
        plain(server)

    def _serve(self, plain: Callable[[Any], None], server: Any) -> None:
        """Serve; or, in a later generation's script, wait until that generation retires."""
        generation = self._maker(server)
        if generation is not None and generation.load is not None and server in self._stand_ins:
            self._servers.park(generation)
            return
        self._serving.add(server)
        try:
            plain(server)
        finally:
            self._serving.discard(server)
            self._servers.end(_offer(server).app)
            main = threading.main_thread()
            if threading.current_thread() is main or not (main.is_alive() or self._serving):
                self.host.end()

    def hand_over(self, server: Any, generation: Generation) -> None:
        """Give the server that runs the application of *server*, which stands for it in *generation*."""
        self._servers.hand_over(_offer(server), generation)

    def call_in_idle_workers(self, call: Callable[[], object]) -> None:
        """Have each thread that waits for a connection to one of the servers call *call*."""
        for server in tuple(self._serving):
            pool = server.requests
            summons = Summons(call, getattr(pool, "idle", 0))
            with suppress(queue.Full):  # then none is idle any more
                for _ in range(summons.workers):
                    pool.put(summons)


class Summons:
    """What idle workers take from the queue as if it were a connection, to call something.

    No worker can be chosen: the queue gives it to any. So each that has taken it holds on until all have, for a moment.
    """

    # What cheroot counts when it gathers statistics.
    requests_seen = bytes_read = bytes_written = 0
    # What it asks of a connection that is not done with when the server stops.
    closed = True

    def __init__(self, call: Callable[[], object], workers: int) -> None:
        self.workers = workers
        self.rfile = self.wfile = self
        self._call = call
        self._taken = 0
        self._news = threading.Condition()

    def communicate(self) -> bool:
        self._call()
        with self._news:
            self._taken += 1
            self._news.notify_all()
            self._news.wait_for(lambda: self._taken >= self.workers, GATHER_SECONDS)
        return False

    def close(self) -> None:
        """Do nothing: there is no socket."""


def _offer(server: Any) -> Offer:
    return Offer(getattr(server, "wsgi_app", None), server.bind_addr, getattr(server.requests, "min", None))


ADAPTER = CherootAdapter()
