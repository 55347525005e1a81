"""CherryPy: its process-wide objects get contents of their own for each generation.

`cherrypy.tree`, `cherrypy.engine`, `cherrypy.config` and `cherrypy.tools` stay the objects that they are, for those
who imported them by name; their class is replaced by a subclass that looks up the active generation's contents.
"""

from __future__ import annotations

import functools
import logging
import pickle
import threading
import weakref
from collections.abc import Callable
from typing import Any

import cherrypy
from cherrypy._cpconfig import Config
from cherrypy.lib import sessions
from cherrypy.lib.reprconf import NamespaceSet
from cherrypy.process.servers import ServerAdapter
from cherrypy.process.wspbus import Bus

from ponyreload.adapters import cheroot
from ponyreload.generations import (
    Generation,
    PerGeneration,
    entered,
    entered_generation,
    owner_of,
    published,
)
from ponyreload.loading import load_of_this_thread
from ponyreload.reloader import Reloader
from ponyreload.reporting import say

__all__ = ["ADAPTER", "CherryPyAdapter"]

# channel -> callback -> priority:  "start" -> {<bound method Monitor.start>: 70}
Listeners = dict[str, dict[Callable[..., Any], int]]

# Told to every generation that lives, not only to the one that serves: its plugins run.
TOLD_TO_ALL = ("stop", "exit", "graceful")


class CherryPyAdapter:
    """Replaces the classes of CherryPy's process-wide objects while autoreload is on."""

    def __init__(self) -> None:
        self._plain_classes: list[tuple[Any, type]] = []
        # Generations whose listeners on the "start" channel were called here, and not by the bus.
        self._started: weakref.WeakSet[Generation] = weakref.WeakSet()
        # What a load is to do to process-wide objects once it is published.
        self.settings: weakref.WeakKeyDictionary[Generation, list[Callable[[], object]]] = weakref.WeakKeyDictionary()
        # Whether the first script waits in `engine.block`.
        self.is_blocked = False

    def install(self, reloader: Reloader) -> None:
        self.reloader = reloader
        self.apps: PerGeneration[dict[str, Any]] = PerGeneration(vars(cherrypy.tree).pop("apps"), dict)
        self.listeners: PerGeneration[Listeners] = PerGeneration({}, dict)
        self.tools: PerGeneration[dict[str, Any]] = PerGeneration({}, dict)
        self.plugins: PerGeneration[dict[str, Any]] = PerGeneration({}, dict)
        self.config: PerGeneration[Any] = PerGeneration(_copy_of_config(), _new_config)
        for thing, routed in (
            (cherrypy.tree, RoutedTree),
            (cherrypy.engine, RoutedBus),
            (cherrypy.tools, RoutedToolbox),
            (cherrypy.config, RoutedConfig),
        ):
            self._plain_classes.append((thing, type(thing)))
            thing.__class__ = routed
        self.plain_load, self.plain_save = sessions.RamSession._load, sessions.RamSession._save
        sessions.RamSession._load, sessions.RamSession._save = _load_session, _save_session
        self._autoreloader_was_on = cherrypy.engine.autoreload.start in cherrypy.engine.listeners["start"]
        cherrypy.engine.autoreload.unsubscribe()
        if cherrypy.engine.autoreload.thread is not None:
            cherrypy.engine.autoreload.stop()
        cherrypy.engine.signal_handler.subscribe = _subscribe_signals
        # Above 65, the Daemonizer, which forks: no thread lives through that.
        cherrypy.engine.subscribe("start", self._start, priority=71)

    def uninstall(self) -> None:
        for thing, plain in self._plain_classes:
            thing.__class__ = plain
        self._plain_classes.clear()
        sessions.RamSession._load, sessions.RamSession._save = self.plain_load, self.plain_save
        cherrypy.engine.unsubscribe("start", self._start)
        del cherrypy.engine.signal_handler.subscribe
        if self._autoreloader_was_on:
            cherrypy.engine.autoreload.subscribe()
        # What goes on serving is put where CherryPy itself has it.
        serving = published()
        cherrypy.tree.apps = self.apps.of(serving)
        config = dict(self.config.of(serving))
        dict.clear(cherrypy.config)
        dict.update(cherrypy.config, config)
        for thing, own in ((cherrypy.tools, self.tools), (cherrypy.engine, self.plugins)):
            for name, value in own.of(serving).items():
                setattr(thing, name, value)
        for channel, callbacks in self.listeners.of(serving).items():
            for callback, priority in callbacks.items():
                cherrypy.engine.subscribe(channel, callback, priority)

    def _start(self) -> None:
        if self._autoreloader_was_on:
            say("CherryPy's own Autoreloader, which restarts the process, is off while ponyreload is on")
        self.reloader.start()

    def before_publish(self, generation: Generation) -> None:
        """Start what the generation subscribed to the bus, if the bus runs."""
        self._claim()
        if cherrypy.engine.state == cherrypy.engine.states.STARTED:
            self._started.add(generation)
            _bus_of(self.listeners.of(generation)).publish("start")
        for apply in self.settings.pop(generation, ()):
            apply()

    def retire(self, generation: Generation) -> None:
        """Stop what the generation subscribed to the bus."""
        listeners = self.listeners.of(generation)
        if generation in self._started or generation.number == 1:
            for channel in ("stop", "exit"):
                try:
                    _bus_of(listeners).publish(channel)
                except Exception as error:
                    say(f"CherryPy listeners of generation {generation.number} failed: {error}", logging.ERROR)
        listeners.clear()
        for app in self.apps.of(generation).values():
            # An application has two loggers, named after its id, which logging would keep for ever.
            for log in (getattr(getattr(app, "log", None), kind, None) for kind in ("error_log", "access_log")):
                if log is not None:
                    logging.Logger.manager.loggerDict.pop(log.name, None)

    def _claim(self) -> None:
        """Give generation 1 what its code had put into CherryPy before autoreload was turned on."""
        engine, first = cherrypy.engine, self.reloader.living[0]
        if first.number != 1:
            return
        for channel, callbacks in engine.listeners.items():
            for callback in list(callbacks):
                if not isinstance(getattr(callback, "__self__", None), ServerAdapter) and owner_of(callback) is first:
                    priority = engine._priorities[channel, callback]
                    Bus.unsubscribe(engine, channel, callback)
                    self.listeners.of(first).setdefault(channel, {})[callback] = priority
        for thing, own in ((cherrypy.tools, self.tools), (engine, self.plugins)):
            for name, value in list(vars(thing).items()):
                if owner_of(value) is first:
                    own.of(first)[name] = value
                    object.__delattr__(thing, name)


class RoutedTree(type(cherrypy.tree)):  # type: ignore[misc]
    """`cherrypy.tree`: the mounts are those of the active generation."""

    @property
    def apps(self) -> dict[str, Any]:
        return ADAPTER.apps.get()

    @apps.setter
    def apps(self, apps: dict[str, Any]) -> None:
        own = ADAPTER.apps.get()
        own.clear()
        own.update(apps)


class RoutedToolbox(type(cherrypy.tools)):  # type: ignore[misc]
    """`cherrypy.tools`: tools made of user functions belong to their generation."""

    def __setattr__(self, name: str, value: Any) -> None:
        owner = owner_of(value)
        super().__setattr__(name, value)  # gives the tool its name
        if owner is not None:
            ADAPTER.tools.of(owner)[name] = vars(self).pop(name)

    def __getattr__(self, name: str) -> Any:
        try:
            return ADAPTER.tools.get()[name]
        except KeyError:
            raise AttributeError(f"no tool {name!r}") from None


class RoutedBus(type(cherrypy.engine)):  # type: ignore[misc]
    """`cherrypy.engine`: listeners with user code belong to their generation; a load neither starts nor ends it."""

    def __setattr__(self, name: str, value: Any) -> None:
        owner = owner_of(value)
        if owner is None or name in vars(self):
            super().__setattr__(name, value)
        else:
            ADAPTER.plugins.of(owner)[name] = value

    def __getattr__(self, name: str) -> Any:
        try:
            return ADAPTER.plugins.get()[name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}") from None

    def subscribe(self, channel: str, callback: Any = None, priority: int | None = None) -> Any:
        carrier = getattr(callback, "__self__", None)
        load = load_of_this_thread()
        if carrier is cherrypy.engine.autoreload:
            return None
        if isinstance(carrier, ServerAdapter) and load is not None:
            # The servers belong to the process; a later generation's script only brings its application.
            if channel == "start" and hasattr(carrier.httpserver, "wsgi_app"):
                cheroot.ADAPTER.hand_over(carrier.httpserver, load.generation)
            return None
        owner = None if callback is None or isinstance(carrier, ServerAdapter) else owner_of(callback)
        if owner is None:
            return super().subscribe(channel, callback, priority)
        if priority is None:
            priority = getattr(callback, "priority", 50)
        ADAPTER.listeners.of(owner).setdefault(channel, {})[callback] = priority
        return None

    def unsubscribe(self, channel: str, callback: Any) -> None:
        carrier = getattr(callback, "__self__", None)
        if isinstance(carrier, ServerAdapter) and load_of_this_thread() is not None:
            return
        owner = owner_of(callback)
        if owner is not None:
            ADAPTER.listeners.of(owner).get(channel, {}).pop(callback, None)
        super().unsubscribe(channel, callback)

    def publish(self, channel: str, *args: Any, **kwargs: Any) -> Any:
        if channel in TOLD_TO_ALL:
            told = ADAPTER.reloader.living
        else:
            generation = entered_generation() or published()
            told = () if generation is None else (generation,)
        own = [found for each in told if (found := ADAPTER.listeners.of(each).get(channel))]
        if not own:
            return super().publish(channel, *args, **kwargs)
        merged = {callback: self._priorities[channel, callback] for callback in self.listeners.get(channel, ())}
        for callbacks in own:
            merged.update(callbacks)
        return _bus_of({channel: merged}).publish(channel, *args, **kwargs)

    def start(self) -> None:
        load = load_of_this_thread()
        if load is None:
            super().start()
        elif not ADAPTER.is_blocked:
            # The first script goes on to a loop of its own; two of these must not run beside each other.
            load.park()
            raise SystemExit

    def block(self, interval: float = 0.1) -> None:
        load = load_of_this_thread()
        if load is not None:
            load.park()
            return
        ADAPTER.is_blocked = True
        try:
            super().block(interval)
        finally:
            ADAPTER.is_blocked = False
            if threading.current_thread() is threading.main_thread():
                ADAPTER.reloader.end()

    def stop(self) -> None:
        if load_of_this_thread() is None:
            super().stop()

    def exit(self) -> None:
        if load_of_this_thread() is None:
            super().exit()

    def restart(self) -> None:
        if load_of_this_thread() is None:
            super().restart()


def _subscribe_signals() -> None:
    """Set CherryPy's signal handlers; a load has them already, unless its own code added to them."""
    plugin = cherrypy.engine.signal_handler
    if load_of_this_thread() is None or any(map(owner_of, plugin.handlers.values())):
        type(plugin).subscribe(plugin)


def _bus_of(listeners: Listeners) -> Any:
    """Return a bus that has just these listeners, and logs where CherryPy's does."""
    bus = Bus()
    bus.log = cherrypy.engine.log
    for channel, callbacks in listeners.items():
        for callback, priority in callbacks.items():
            bus.subscribe(channel, callback, priority)
    return bus


class RoutedConfig(type(cherrypy.config)):  # type: ignore[misc]
    """`cherrypy.config`: each generation has the defaults, and what its own code sets."""


def _passed_on(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG001 - the contents are found by the generation
        return getattr(ADAPTER.config.get(), name)(*args, **kwargs)

    method.__name__ = name
    return method


for _name in (
    *("__contains__", "__delitem__", "__eq__", "__getitem__", "__iter__", "__len__", "__ne__", "__or__", "__repr__"),
    *("__ror__", "__setitem__", "clear", "copy", "get", "items", "keys", "pop", "popitem", "reset", "setdefault"),
    *("update", "values"),
):
    setattr(RoutedConfig, _name, _passed_on(_name))


def _copy_of_config() -> Any:
    """Return what `cherrypy.config` holds, as an object of its own."""
    config = Config()
    config.defaults = cherrypy.config.defaults
    dict.clear(config)
    dict.update(config, dict.copy(cherrypy.config))
    return config


def _new_config() -> Any:
    """Return the global configuration that a load starts with: the defaults."""
    config = Config()
    config.defaults = cherrypy.config.defaults
    config.reset()
    plain = Config.namespaces
    config.namespaces = NamespaceSet(plain)
    for namespace in ("engine", "log", "checker"):
        config.namespaces[namespace] = functools.partial(_when_published, plain[namespace])
    config.namespaces["server"] = functools.partial(_unless_running, plain["server"])
    return config


def _when_published(handler: Callable[[str, Any], object], key: str, value: Any) -> None:
    """Set something of the whole process; from a load, not before that is published."""
    load = load_of_this_thread()
    if load is None or load.generation.published:
        handler(key, value)
    else:
        ADAPTER.settings.setdefault(load.generation, []).append(functools.partial(handler, key, value))


def _unless_running(handler: Callable[[str, Any], object], key: str, value: Any) -> None:
    """Set something of a server; from a load, say that it is too late if it differs from what runs."""
    if load_of_this_thread() is None:
        handler(key, value)
        return
    name, dot, attribute = key.rpartition(".")
    server = getattr(cherrypy, "servers", {}).get(name) if dot else cherrypy.server
    running = getattr(server, attribute, None)
    if attribute != "on" and running != value:
        text = f"server.{key} changed from {running!r} to {value!r}: that takes a restart of the process"
        say(f"{text}; what runs goes on as it is", logging.WARNING)


# The generation that saved a session's data in memory, by session id. When it is gone, so are its objects.
_saved_by: dict[str, weakref.ref[Generation]] = {}


def _save_session(self: Any, expiration_time: Any) -> None:
    ADAPTER.plain_save(self, expiration_time)
    generation = entered_generation()
    if generation is not None:
        _saved_by[self.id] = weakref.ref(generation)
        for stale in _saved_by.keys() - self.cache.keys():
            _saved_by.pop(stale, None)


def _load_session(self: Any) -> Any:
    """Return a session's data for this generation: objects of another one's classes take the way a file would be.

    A session in memory holds the objects themselves, of the classes of the generation that put them there.
    """
    found = ADAPTER.plain_load(self)
    generation = entered_generation()
    saver = _saved_by.get(self.id, lambda: None)()
    if found is None or generation is None or saver is None or saver is generation:
        return found
    data, expiration_time = found
    try:
        with entered(saver):
            pickled = pickle.dumps(data)
        return pickle.loads(pickled), expiration_time  # noqa: S301 - made a line above
    except Exception as error:
        say(
            f"a session keeps objects of generation {saver.number}, because they cannot be pickled: {error}",
            logging.WARNING,
        )
        return found


ADAPTER = CherryPyAdapter()
