"""Servers: those of one kind that run in this process. The first script starts them; later ones are parked there."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from ponyreload.adapters.adapter import Host
from ponyreload.errors import Abandoned
from ponyreload.generations.context import bind, calling, calling_names, entered_generation
from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import owner_of
from ponyreload.interpreter.forklocks import hold_over_forks
from ponyreload.interpreter.private import imported
from ponyreload.loading.load import load_of_this_thread
from ponyreload.reporting import say
from ponyreload.wsgi.places import place_of
from ponyreload.wsgi.slots import Slot

__all__ = ["Offer", "Servers", "maker_of_this", "shown_address"]

# A script that starts several servers in threads of its own counts as run when all of them have their application;
# one that lacks a server is not waited for any longer.
OTHERS_SECONDS = 1.0


class Offer(NamedTuple):
    """What a script starts a server with.

    Attributes:
        app: The application.
        address: Where it listens.
        threads: How many it has; None if that does not matter.
        make: Makes the application of another generation, where a command knows how; else None.
    """

    app: Any
    address: object
    threads: object
    make: Callable[[], Any] | None = None


class Servers:
    """Gives each server that runs the application of each generation.

    Threads: a script may start its servers in several. ``_filled`` guards the tables below, and is notified when a load
    hands over an application. It is held over forks.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        # slot -> what its server was started with:  <Slot ("flup", 0)> -> Offer(<Slot>, ("127.0.0.1", 9000), 5)
        self._running: dict[Slot, Offer] = {}
        # Those whose server has ended: one that is started again at its address is the same.
        self._ended: set[Slot] = set()
        self._filled = threading.Condition()
        hold_over_forks("servers", self._filled)

    def begin(self, host: Host, offer: Offer, maker: Generation | None) -> Any:
        """Return the application that a server is to hold, which *maker*'s code starts; None if system code does."""
        if maker is not None:
            host.take_launcher()
        with self._filled:
            if isinstance(offer.app, Slot):
                self._ended.discard(offer.app)
                return offer.app
            again = [slot for slot in self._ended if self._running[slot].address == offer.address]
            if again:
                self._ended.discard(again[0])
                if maker is not None and not again[0].is_shared:
                    maker.apps[again[0].key] = offer.app
                return again[0]
            first = host.living[0]
            place = place_of(offer.app, first) if maker is None else None
            is_shared = is_tree(offer.app)
            make = offer.make if place is None else None
            if not (maker or place or is_shared or make or owner_of(offer.app, carried=True)):
                # It is no application of user code: there is nothing to reload, or a middleware does that.
                host.note_unrouted(shown_address(offer.address))
                return offer.app
            key = (self._kind, len(self._running))
            name = f"the server at {shown_address(offer.address)}"
            slot = host.slot(key, name, offer.app, maker or first, is_shared, place, make)
            self._running[slot] = offer._replace(app=slot)
            return slot

    def end(self, app: Any) -> None:
        """Note that the server that holds *app* has ended."""
        with self._filled:
            if isinstance(app, Slot) and app in self._running:
                self._ended.add(app)

    def hand_over(self, offer: Offer, generation: Generation) -> None:
        """Give the server that runs what a stand-in was made with by the script of a later *generation*."""
        is_shared = is_tree(offer.app)
        with self._filled:
            free = [slot for slot in self._running if slot.key not in generation.apps or slot.is_shared]
            fitting = [slot for slot in free if self._running[slot].address == offer.address]
            fitting = fitting or [slot for slot in free if slot.is_shared == is_shared and slot not in self._ended]
            running = self._running[fitting[0]] if fitting else None
            if fitting:
                generation.apps[fitting[0].key] = offer.app
            self._filled.notify_all()
        if running is None:
            where = shown_address(offer.address)
            say(f"a new server at {where} needs a restart to run", logging.WARNING)
            return
        for what, new, old in (
            ("address", offer.address, running.address),
            ("number of threads", offer.threads, running.threads),
        ):
            if new != old:
                text = f"the server's {what} changed from {shown_address(old)} to {shown_address(new)}"
                say(f"{text}: restart to apply it; until then nothing changes", logging.WARNING)

    def park(self, generation: Generation) -> None:
        """Hold the calling thread, at a stand-in's start, until *generation* retires."""
        assert generation.load is not None
        with self._filled:
            self._filled.wait_for(lambda: generation.abandoned or self._all_filled(generation), OTHERS_SECONDS)
        try:
            generation.load.park()
        except Abandoned:
            # A thread of the script's own ends as it would if the server had ended.
            if load_of_this_thread() is not None:
                raise

    def _all_filled(self, generation: Generation) -> bool:
        serving = self._running.keys() - self._ended
        return all(slot.is_shared or slot.key in generation.apps for slot in serving)


def maker_of_this() -> Generation | None:
    """Return the generation whose code makes or starts a server in this thread; None if that is not user code."""
    bind(calling_names())
    return entered_generation() or calling()


def is_tree(app: Any) -> bool:
    """Tell whether *app* is `cherrypy.tree`, which is one object for all generations."""
    cherrypy = imported("cherrypy")
    return cherrypy is not None and app is getattr(cherrypy, "tree", None)


def shown_address(value: object) -> str:
    return ":".join(map(str, value)) if isinstance(value, tuple) else str(value)
