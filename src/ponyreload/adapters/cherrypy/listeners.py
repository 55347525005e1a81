"""Listeners: `cherrypy.engine`, the bus, on which each generation has listeners and plugins of its own."""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any

import cherrypy
from cherrypy._cplogging import LogManager
from cherrypy.process.plugins import Autoreloader, Daemonizer, DropPrivileges, PIDFile, SignalHandler, ThreadManager
from cherrypy.process.servers import ServerAdapter
from cherrypy.process.wspbus import Bus

from ponyreload.adapters.adapter import Host
from ponyreload.adapters.cherrypy.servers import hand_over
from ponyreload.adapters.cherrypy.threads import THREADS
from ponyreload.generations.contents import Contents
from ponyreload.generations.context import entered, entered_generation, published
from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import bound_to, owner_of
from ponyreload.loading.load import Load
from ponyreload.reporting import say

__all__ = ["DONE_ONCE", "LISTENERS", "Listeners", "bus_of", "is_of_process", "listening"]

# channel -> callback -> priority:  "start" -> {<bound method Monitor.start>: 70}
Table = dict[str, dict[Callable[..., Any], int]]

# Told to every generation that lives, not only to the one that serves: its plugins run.
TOLD_TO_ALL = ("stop", "exit", "graceful", "stop_thread")
# What belongs to the process, whoever subscribes it: what only a start of the process may do …
DONE_ONCE = (Daemonizer, DropPrivileges, PIDFile, ServerAdapter)
# … and what there is one of.
ONE_OF_A_KIND = (Autoreloader, Bus, SignalHandler, ThreadManager)
# Seconds. A load that is done while the bus is starting waits for that, so that its own listeners are started too.
START_SECONDS = 10.0


class Listeners:
    """Routes `cherrypy.engine` to the listeners of the active generation, and has loads leave the bus as it is."""

    def install(self, host: Host) -> None:
        self.host = host
        self.own: Contents[Table] = Contents(dict)
        self.plugins: Contents[dict[str, Any]] = Contents(dict)
        # Generations whose "start" listeners were called here, and not by the bus.
        self._started: weakref.WeakSet[Generation] = weakref.WeakSet()
        # The servers that a load brings, until it comes to `engine.start`.
        self.brought: weakref.WeakKeyDictionary[Load, list[Any]] = weakref.WeakKeyDictionary()
        # Whether the first script has come to `engine.block`.
        self.blocks = False
        self.autoreloader_was_on = cherrypy.engine.autoreload.start in cherrypy.engine.listeners["start"]
        cherrypy.engine.autoreload.unsubscribe()
        if cherrypy.engine.autoreload.thread is not None:
            cherrypy.engine.autoreload.stop()
        cherrypy.engine.autoreload.files = WatchedFiles(cherrypy.engine.autoreload.files)
        self._must_say_so = True
        # Above 65, the Daemonizer, which forks: no thread lives through that.
        cherrypy.engine.subscribe("start", self._start, priority=71)
        # Not by `RoutedBus.exit`: CherryPy's signal handlers are methods that were bound before.
        cherrypy.engine.subscribe("exit", self._exit, priority=100)

    def uninstall(self) -> None:
        cherrypy.engine.unsubscribe("start", self._start)
        cherrypy.engine.unsubscribe("exit", self._exit)
        cherrypy.engine.autoreload.files = set(cherrypy.engine.autoreload.files)
        if self.autoreloader_was_on:
            cherrypy.engine.autoreload.subscribe()
        serving = published()
        for name, plugin in self.plugins.of(serving).items():
            setattr(cherrypy.engine, name, plugin)
        for channel, callbacks in self.own.of(serving).items():
            for callback, priority in callbacks.items():
                cherrypy.engine.subscribe(channel, callback, priority)

    def _start(self) -> None:
        if self.autoreloader_was_on and self._must_say_so:
            self._must_say_so = False
            say("CherryPy's own Autoreloader, which restarts the process, is off while ponyreload is on")
        self.host.start()

    def _exit(self) -> None:
        if self.blocks:
            # `block` waits for all threads before it returns; so they have to be told now.
            self.host.end()

    def claim(self, first: Generation) -> None:
        """Give generation 1 what its code had subscribed before autoreload was turned on."""
        engine = cherrypy.engine
        for channel, callbacks in list(engine.listeners.items()):
            mine = {each for each in callbacks if not is_of_process(each) and owner_of(each, carried=True) is first}
            for callback in mine:
                self.own.of(first).setdefault(channel, {})[callback] = engine._priorities[channel, callback]
            if mine:
                # Another set, not a smaller one: another thread may be publishing.
                engine.listeners[channel] = callbacks - mine
        for name, plugin in list(vars(engine).items()):
            if owner_of(plugin, carried=True) is first:
                self.plugins.of(first)[name] = plugin
                object.__delattr__(engine, name)

    def wait_for_start(self) -> None:
        """Wait until the bus has started everything, if it is about to."""
        engine = cherrypy.engine
        deadline = time.monotonic() + START_SECONDS
        while engine.state == engine.states.STARTING and time.monotonic() < deadline:
            time.sleep(0.01)  # the bus tells nobody when it has started

    def before_publish(self, generation: Generation) -> None:
        """Start what the generation subscribed, if the bus runs."""
        self.wait_for_start()
        if cherrypy.engine.state == cherrypy.engine.states.STARTED:
            self._started.add(generation)
            bus_of(as_of(generation, self.own.of(generation))).publish("start")

    def retire(self, generation: Generation) -> None:
        """Stop and unsubscribe what the generation subscribed."""
        table = self.own.of(generation)
        if generation in self._started or generation.number == 1:
            THREADS.retire(generation, table.get("stop_thread", {}))
            bus = bus_of(as_of(generation, table))
            for channel in ("stop", "exit"):
                try:
                    bus.publish(channel)
                except Exception as error:
                    say(f"CherryPy listeners of generation {generation.number} failed: {error}", logging.ERROR)
        _forget_loggers(table)
        table.clear()
        # CherryPy's checker looks at each application as if it served it, and leaves the last one there.
        checked = vars(cherrypy._Serving.request).get("app")
        if checked is not None and owner_of(checked.root, carried=True) is generation:
            cherrypy._Serving.request.app = None

    def told(self, channel: str, *args: Any) -> list[dict[Callable[..., Any], int]]:
        """Return the listeners to call for a message on *channel*, of each generation that gets it."""
        generation = entered_generation() or published()
        generations: Iterable[Generation] = () if generation is None else (generation,)
        if channel in TOLD_TO_ALL:
            generations = self.host.living
        if channel == "start_thread" and generation is not None:
            THREADS.greeted.of(generation)[threading.current_thread()] = args[0]
        elif channel == "stop_thread":
            generations = [each for each in generations if THREADS.let_go(each, args[0])]
        own = ((each, found) for each in generations if (found := self.own.of(each).get(channel)))
        return [as_of(each, {channel: found})[channel] for each, found in own]

    def greet_thread(self) -> None:
        """Tell the active generation of the server's thread that calls, if it came before the generation did."""
        generation = entered_generation()
        if generation is None:
            return
        own = self.own.of(generation)
        if not (own.get("start_thread") or own.get("stop_thread")):
            return
        greeted, thread = THREADS.greeted.of(generation), threading.current_thread()
        number = cherrypy.engine.thread_manager.threads.get(threading.get_ident())
        if number is not None and thread not in greeted:
            greeted[thread] = number
            table = {"start_thread": own.get("start_thread", {})}
            bus_of(as_of(generation, table)).publish("start_thread", number)

    def hand_over(self, load: Load) -> None:
        """Fill the slots of the servers that run with the applications of those that a load subscribed."""
        self.wait_for_start()  # a second server may not run yet
        for server in self.brought.pop(load, ()):
            httpserver = server.httpserver
            if httpserver is None and hasattr(server, "httpserver_from_self"):
                httpserver, _ = server.httpserver_from_self()
            hand_over(httpserver, load.generation)


class WatchedFiles(set[Any]):
    """The files besides modules that CherryPy's Autoreloader looks at: all files of settings, and what users add."""

    def __init__(self, files: Iterable[Any]) -> None:
        super().__init__()
        self.update(files)

    def add(self, file: Any) -> None:
        super().add(file)
        if file:  # as the Autoreloader does
            LISTENERS.host.watch_file(os.fsdecode(file))

    def update(self, *files: Iterable[Any]) -> None:
        for each in itertools.chain(*files):
            self.add(each)


class Listener:
    """A listener of a generation, which is called as such: what it subscribes in its turn is the generation's too.

    Plugins of libraries do that in their own ``start``, when no user code has called them.
    """

    __slots__ = ("_generation", "_listener")

    def __init__(self, generation: Generation, callback: Callable[..., Any]) -> None:
        self._generation = generation
        self._listener = callback

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        token = _listening.set(self._generation)
        try:
            with entered(self._generation):
                return self._listener(*args, **kwargs)
        finally:
            _listening.reset(token)

    def __repr__(self) -> str:
        return repr(self._listener)  # as CherryPy logs it


_listening: ContextVar[Generation | None] = ContextVar("ponyreload listens for", default=None)
# Returns the generation whose listener is being called in this thread, or None.
listening = _listening.get


def as_of(generation: Generation, table: Table) -> Table:
    """Return the table with its listeners to be called as those of *generation*."""
    rows = {channel: list(callbacks.items()) for channel, callbacks in list(table.items())}
    return {channel: {Listener(generation, each): at for each, at in found} for channel, found in rows.items()}


def is_of_process(callback: Any) -> bool:
    return isinstance(bound_to(callback), DONE_ONCE + ONE_OF_A_KIND)


def _forget_loggers(table: Table) -> None:
    """Have Python forget the loggers of a generation's applications, which it would keep for ever."""
    for callback in table.get("graceful", ()):
        carrier = bound_to(callback)
        if isinstance(carrier, LogManager):
            for log in (carrier.error_log, carrier.access_log):
                logging.Logger.manager.loggerDict.pop(log.name, None)


def bus_of(listeners: Table) -> Any:
    """Return a bus that has just these listeners, and logs where CherryPy's does."""
    bus = Bus()
    bus.log = cherrypy.engine.log
    for channel, callbacks in listeners.items():
        for callback, priority in list(callbacks.items()):
            bus.subscribe(channel, callback, priority)
    return bus


LISTENERS = Listeners()
