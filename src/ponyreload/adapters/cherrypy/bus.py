"""The bus: `cherrypy.engine`, as code of each generation sees it."""

from __future__ import annotations

import functools
import threading
from typing import Any

import cherrypy
from cherrypy._cplogging import LogManager
from cherrypy.process.plugins import Autoreloader
from cherrypy.process.servers import ServerAdapter

from ponyreload.adapters.cherrypy.listeners import DONE_ONCE, LISTENERS, bus_of, is_of_process, listening
from ponyreload.adapters.cherrypy.owners import owner_of_given
from ponyreload.adapters.cherrypy.threads import THREADS
from ponyreload.generations.context import calling, entered_generation
from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import bound_to, owner_of
from ponyreload.loading.load import load_of_this_thread

__all__ = ["RoutedBus", "route_bus", "unroute_bus"]

# Bus, or what CherryPy has in its place on Windows.
EngineBus: Any = type(cherrypy.engine)


class RoutedBus(EngineBus):  # type: ignore[misc]
    """`cherrypy.engine`: listeners of user modules belong to their generation; a load neither starts nor ends it."""

    def __setattr__(self, name: str, value: Any) -> None:
        owner = None if name in vars(self) else owner_of_given(value)
        if owner is None:
            super().__setattr__(name, value)
        else:
            LISTENERS.plugins.of(owner)[name] = value

    def __getattr__(self, name: str) -> Any:
        try:
            return LISTENERS.plugins.get()[name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}") from None

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *LISTENERS.plugins.get()})

    def subscribe(self, channel: str, callback: Any = None, priority: int | None = None) -> Any:
        if callback is None:
            return functools.partial(self.subscribe, channel, priority=priority)
        carrier, load = bound_to(callback), load_of_this_thread()
        if isinstance(carrier, Autoreloader):
            return None
        if isinstance(carrier, DONE_ONCE) and load is not None:
            if channel == "start" and isinstance(carrier, ServerAdapter):
                LISTENERS.brought.setdefault(load, []).append(carrier)
            return None
        owner = _owner_of(callback)
        if isinstance(carrier, LogManager) and carrier.appid is not None:
            owner = entered_generation() or calling()  # the log of an application, which this generation is making
        if owner is None:
            super().subscribe(channel, callback, priority)
        else:
            self.listeners.setdefault(channel, set())
            priority = getattr(callback, "priority", 50) if priority is None else priority
            LISTENERS.own.of(owner).setdefault(channel, {})[callback] = priority
        return None

    def unsubscribe(self, channel: str, callback: Any) -> None:
        carrier, load = bound_to(callback), load_of_this_thread()
        if isinstance(carrier, DONE_ONCE) and load is not None:
            brought = LISTENERS.brought.get(load, [])
            if carrier in brought:
                brought.remove(carrier)
            return
        owner = _owner_of(callback)
        if owner is not None:
            LISTENERS.own.of(owner).get(channel, {}).pop(callback, None)
        super().unsubscribe(channel, callback)

    def publish(self, channel: str, *args: Any, **kwargs: Any) -> Any:
        if channel == "acquire_thread":
            THREADS.take_leave()
        own = LISTENERS.told(channel, *args)
        if own:
            merged = {each: self._priorities[channel, each] for each in tuple(self.listeners.get(channel, ()))}
            for callbacks in own:
                merged.update(callbacks)
            result = bus_of({channel: merged}).publish(channel, *args, **kwargs)
        else:
            result = super().publish(channel, *args, **kwargs)
        if channel == "acquire_thread":
            LISTENERS.greet_thread()
        return result

    def start(self) -> None:
        load = load_of_this_thread()
        if load is None:
            LISTENERS.host.take_launcher()
            super().start()
            return
        LISTENERS.hand_over(load)
        if not LISTENERS.blocks:
            # The first script continues with a loop of its own, unless it has not reached `block` yet. Two loops
            # must not run beside each other.
            load.park()
            if not LISTENERS.blocks:
                raise SystemExit

    def block(self, interval: float = 0.1) -> None:
        load = load_of_this_thread()
        if load is not None:
            load.park()
            return
        LISTENERS.blocks = True
        try:
            super().block(interval)
        finally:
            if threading.current_thread() is threading.main_thread():
                LISTENERS.host.end()

    def stop(self) -> None:
        if load_of_this_thread() is None:
            super().stop()

    def exit(self) -> None:
        if load_of_this_thread() is None:
            super().exit()

    def restart(self) -> None:
        if load_of_this_thread() is None:
            super().restart()


def _owner_of(callback: Any) -> Generation | None:
    """Return the generation that a listener belongs to; None: to all."""
    return None if is_of_process(callback) else owner_of_given(callback) or listening()


def _subscribe_signals() -> None:
    """Set CherryPy's signal handlers; a load has them already, unless its own code added to them."""
    plugin = cherrypy.engine.signal_handler
    if load_of_this_thread() is None or any(owner_of(each, carried=True) for each in plugin.handlers.values()):
        type(plugin).subscribe(plugin)


def route_bus() -> None:
    """Have `cherrypy.engine` route to the listeners of the active generation."""
    cherrypy.engine.__class__ = RoutedBus
    cherrypy.engine.signal_handler.subscribe = _subscribe_signals


def unroute_bus() -> None:
    """Undo `route_bus`."""
    cherrypy.engine.__class__ = EngineBus
    del cherrypy.engine.signal_handler.subscribe
