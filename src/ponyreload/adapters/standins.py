"""Stand-ins: servers that the script of a later generation makes; each stands for one that runs."""

from __future__ import annotations

import threading
import time
from itertools import takewhile
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary, ref

from ponyreload.adapters.adapter import Host
from ponyreload.adapters.servers import OTHERS_SECONDS, Offer, Servers, maker_of_this
from ponyreload.generations.context import MARK, entered_generation
from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import owner_of
from ponyreload.interpreter.frames import outward, thread_frames
from ponyreload.loading.load import load_of_this_thread
from ponyreload.wsgi.places import place_of
from ponyreload.wsgi.slots import Slot

__all__ = ["StandIns", "is_loading"]

# Seconds between two checks of where a script is.
LOOK_SECONDS = 0.005


class StandIns:
    """Tells the servers of one kind that only stand in from those that run.

    A server is noted when it is made, because a script may start it in a thread, where nothing tells whose it is.
    """

    # Set before the classes of the servers are wrapped.
    host: Host

    def __init__(self, kind: str) -> None:
        self._servers = Servers(kind)
        # A weak reference, because a generation has the servers that it made.
        self._makers: WeakKeyDictionary[Any, ref[Generation]] = WeakKeyDictionary()
        self._standing: WeakSet[Any] = WeakSet()
        # Those that a request made, or a thread later on, for a purpose of its own.
        self._private: WeakSet[Any] = WeakSet()
        # What those that run were given:  <WSGIServer> -> <Slot>
        self._given: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
        # Where a script wanted them:  ("", 8080) -> <WSGIServer>, which listens at ("0.0.0.0", 8080)
        self._running: WeakValueDictionary[object, Any] = WeakValueDictionary()
        self._ended: set[object] = set()

    def note(self, server: Any, app: Any = None) -> None:
        """Note who makes *server*, for *app* if that is known by then."""
        maker = maker_of_this()
        if maker is None:
            maker = _later_generation_of(app, self.host)
            if maker is not None:
                self._makers[server] = ref(maker)
                self._standing.add(server)
            return
        self._makers[server] = ref(maker)
        if is_loading(maker):
            self._standing.add(server)
        elif maker.load is not None or (entered_generation() is not None and not maker.running):
            # Not at an import, so in a request, or in a thread of a generation that serves.
            self._private.add(server)

    def stands_in(self, server: Any, address: object) -> bool:
        """Tell whether *server*, which is to listen at *address*, stands in for one that runs.

        If what listened there has ended, it does not: it is to run for its time, as that did.
        """
        if server in self._standing and address in self._ended and address not in self._running:
            self._standing.discard(server)
            self._private.add(server)
        return server in self._standing

    def __contains__(self, server: Any) -> bool:
        return server in self._standing

    def loading(self, server: Any) -> Generation | None:
        """Return the generation whose script starts *server* only to be parked; None if it is to run."""
        made_by = self._makers.get(server)
        if made_by is not None:
            return made_by() if server in self._standing else None
        # One that a system module made, once; a script that starts it means the same one again.
        maker = maker_of_this()
        return maker if maker is not None and is_loading(maker) else None

    def running_at(self, address: object) -> Any:
        """Return the server that was started to listen at *address*, or None."""
        return self._running.get(address)

    def maker_of(self, server: Any) -> Generation | None:
        """Return the generation whose code made or starts *server*; None if that is not user code."""
        made_by = self._makers.get(server)
        return maker_of_this() if made_by is None else made_by()

    def begin(self, server: Any, offer: Offer) -> Any:
        """Return the application that *server*, which is about to run, is to hold."""
        maker = self.maker_of(server)
        app = offer.app
        if app is not None and server not in self._private and (maker is None or maker.load is None):
            app = self._given[server] = self._servers.begin(self.host, offer, maker)
            self._running.setdefault(offer.address, server)
        return app

    def end(self, server: Any) -> bool:
        """Note that *server* has ended; tell whether it was one that `begin` gave an application."""
        given = self._given.get(server)
        self._servers.end(given)
        if isinstance(given, Slot):
            given.let_go()
        for address, running in list(self._running.items()):
            if running is server:
                del self._running[address]
                self._ended.add(address)
        return server in self._given

    def hand_over(self, offer: Offer, generation: Generation) -> None:
        """Give the server that runs the application of the one that stands for it in *generation*."""
        if not isinstance(offer.app, Slot):
            self._servers.hand_over(offer, generation)

    def park(self, generation: Generation) -> None:
        """Hold the calling thread, at a stand-in's start, until *generation* retires.

        Raises:
            SystemExit: It has retired: a script that would serve again and again is to end.
        """
        assert generation.load is not None
        if generation.retired.is_set() and not generation.abandoned:
            raise SystemExit(f"generation {generation.number} has retired")
        if load_of_this_thread() is None:
            _wait_for_script(generation, self.host)
        self._servers.park(generation)


def is_loading(generation: Generation) -> bool:
    """Tell whether *generation* is being loaded, in this thread at least: its script may run on after that."""
    load = generation.load
    return load is not None and (not generation.published or load_of_this_thread() is load)


def _later_generation_of(app: Any, host: Host) -> Generation | None:
    """Return the later generation that *app* is of, or None: the first one's applications are for servers that run.

    In a thread whose function is a library's, such as ``Thread(target=app.run)``, there is no other sign.
    """
    later = [each for each in host.living if each.load is not None] if app is not None else []
    return next(
        (each for each in later if owner_of(app, carried=True) is each or place_of(app, each) is not None), None
    )


def _wait_for_script(generation: Generation, host: Host) -> None:
    """Wait, in a thread that a script started, until the script has ended, or has come to where it waits itself.

    Parking ends the load. But a module may start a server in a thread beside what it is there for, and the script
    that imports it may be at its beginning. One that waits in a way that does not show, such as a loop with a pause,
    is taken to wait when it has stayed in one function for a while, and all servers have their application.
    """
    load = generation.load
    assert load is not None
    place, since = None, time.monotonic()
    while not (load.done or generation.abandoned):
        frame = thread_frames().get(load.thread.ident or 0)
        before, place = place, _user_code(frame)
        if place is not before or generation.running:
            since = time.monotonic()
        waits, has_stayed = _waits_for_thread(frame), time.monotonic() - since > OTHERS_SECONDS
        # If it is seen to wait, it will start no other servers; those that it has started may need a moment.
        is_served = not _lacks_application(generation, host) or (waits and has_stayed)
        if (waits or has_stayed) and is_served and not generation.running:
            return
        time.sleep(LOOK_SECONDS)


def _lacks_application(generation: Generation, host: Host) -> bool:
    """Tell whether a server holds an application that *generation* does not have by now, and will not be found."""
    return any(slot.is_held and slot.lacks(generation) for slot in host.slots)


def _user_code(frame: FrameType | None) -> object:
    """Return the function, or the module's code, of a thread's innermost user code."""
    return next((each.f_code for each in outward(frame) if MARK in each.f_globals), None)


def _waits_for_thread(frame: FrameType | None) -> bool:
    """Tell whether what a thread does is to wait: for another thread, an event or a condition."""
    codes = (each.f_code for each in outward(frame))
    waits = [each.co_name for each in takewhile(lambda code: code.co_filename == threading.__file__, codes)]
    return bool(waits) and "start" not in waits  # which waits for a moment
