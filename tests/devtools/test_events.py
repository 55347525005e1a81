"""The server from which open pages hear of loads: what its thread and the others do to it at once."""

from __future__ import annotations

import threading

from ponyreload.devtools.bulletin import Bulletin
from ponyreload.devtools.events import EventServer


class NotedLock:
    """A lock that tells when the server's own thread comes to it."""

    def __init__(self, lock, came: threading.Event) -> None:
        self._lock = lock
        self._came = came

    def __enter__(self) -> None:
        if threading.current_thread().name == "ponyreload events":
            self._came.set()
        self._lock.acquire()

    def __exit__(self, *exception: object) -> None:
        self._lock.release()


class EndingServer(EventServer):
    """One that ends just when its waker is looked up: that waits until the thread has closed it, or wants to."""

    ends_now = False

    def __init__(self) -> None:
        self.bulletin = Bulletin()
        self.met = threading.Event()
        super().__init__(self.bulletin, lambda host: True)
        self._lock = NotedLock(self._lock, self.met)

    @property
    def _waker(self):
        found = self.waker
        if self.ends_now:
            self.ends_now, self._ends = False, True
            found[0].send(b"!")
            assert self.met.wait(10)
        return found

    @_waker.setter
    def _waker(self, value):
        self.waker = value
        if value is None:
            self.met.set()


def test_news_that_come_while_the_server_closes_its_sockets_do_no_harm():
    server = EndingServer()
    assert server.address() is not None
    (thread,) = (each for each in threading.enumerate() if each.name == "ponyreload events")
    server.met.clear()
    server.ends_now = True
    server.bulletin.error_is_over(1)  # in the thread that loads
    thread.join(10)
    assert not thread.is_alive()
    assert (server.waker, server.address()) == (None, None)
    server.bulletin.error_is_over(2)


def test_more_news_than_the_thread_takes_do_not_hold_up_who_loads():
    server = EndingServer()
    assert server.address() is not None
    gate, loads = threading.Event(), threading.Event()
    ours, _ = server.waker

    # The thread is held where it looks at its connections, and takes nothing from the waker meanwhile.
    class Connections(dict):
        def values(self):
            gate.wait(10)
            return super().values()

    server._connections = Connections()
    ours.send(b"!")

    def load():
        for number in range(2000):  # a socket takes some hundreds of single bytes
            server.bulletin.error_is_over(number)
        loads.set()

    loader = threading.Thread(target=load, daemon=True)
    loader.start()
    is_through = loads.wait(5)
    gate.set()
    loader.join(10)
    server.stop()
    assert is_through
