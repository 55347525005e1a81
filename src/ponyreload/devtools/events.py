"""Events: a server of our own, on another port of this machine, from which open pages hear of loads at once.

An open stream would hold one of the application's server threads for as long as a page is open. Here one thread
serves all.
"""

from __future__ import annotations

import hmac
import secrets
import selectors
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from ponyreload.devtools.bulletin import Bulletin
from ponyreload.generations.context import made_for_process

__all__ = ["EventServer"]

# More connections at a time are not taken; a browser makes one for each origin.
MOST = 100
# How long a browser may take to ask, in seconds, and how much it may say, in bytes.
PATIENCE = 5.0
MOST_ASKED = 16 * 1024

REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Asked(NamedTuple):
    """A request: its first line, and its headers with their names in lower case."""

    line: str
    headers: dict[str, str]


class Connection:
    """A browser's connection: what it has said, since when, and whether it gets news."""

    def __init__(self, stream: socket.socket) -> None:
        self.socket = stream
        self.said = b""
        self.since = time.monotonic()
        self.listens = False

    def send(self, data: bytes) -> bool:
        """Send all of *data*; tell whether that was possible. Who does not read what little there is has gone."""
        try:
            return self.socket.send(data) == len(data)
        except OSError:
            return False


class EventServer:
    """Sends the bulletin to pages as server-sent events.

    It listens on 127.0.0.1 alone, answers a request for its secret path alone, and lets no page read the answer but
    those of the hosts that *admits_host* knows.

    Threads: ``_lock`` protects the listener, the selector and the waker. Whoever makes or closes them holds it, and so
    do other threads that use them: nobody writes to a socket while it is closed, when its number may become that of
    another file. Its own thread uses them without the lock, as nobody else closes them while it runs. The lock is
    re-entrant, because `stop` wakes the thread with the lock held. The connections belong to the thread alone.
    """

    def __init__(self, bulletin: Bulletin, admits_host: Callable[[str], bool]) -> None:
        self._bulletin = bulletin
        self._admits_host = admits_host
        self._path = f"/{secrets.token_urlsafe(24)}"
        self._lock = threading.RLock()
        self._has_failed = False
        self._ends = False
        self._listener: socket.socket | None = None
        self._selector: selectors.BaseSelector | None = None
        # A byte into the first wakes the thread.
        self._waker: tuple[socket.socket, socket.socket] | None = None
        self._connections: dict[int, Connection] = {}

    def address(self) -> str | None:
        """Return where a page hears of news; None where no port can be had. Starts the server, if that is not done."""
        with self._lock:
            if self._listener is None and not self._has_failed and not self._ends:
                try:
                    self._start()
                except (OSError, RuntimeError):  # no port; no thread
                    self._has_failed = True
                    self._close()
            if self._listener is None:
                return None
            return f"http://{self._host()}{self._path}"

    @property
    def has_readers(self) -> bool:
        """Whether a page listens. From any thread."""
        return any(each.listens for each in list(self._connections.values()))

    def stop(self) -> None:
        """End the thread, and close all connections. Safe to call twice."""
        with self._lock:
            self._ends = True
            self._wake()

    def drop(self) -> None:
        """Close what a forked process has got of its parent's sockets; nobody else uses this object any more."""
        self._close()

    def _start(self) -> None:
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self._waker = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        for each in (self._listener, *self._waker):
            each.setblocking(False)
        for each in (self._listener, self._waker[1]):
            self._selector.register(each, selectors.EVENT_READ)
        self._bulletin.tell(self._wake)
        # The request that is the first to need it may run on a thread of the developer's own.
        with made_for_process():
            threading.Thread(target=self._run, name="ponyreload events", daemon=True).start()

    def _host(self) -> str:
        assert self._listener is not None
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def _wake(self) -> None:
        # Any thread that loads calls this, while the server's own may be closing the waker.
        with self._lock, suppress(OSError):  # full, so it wakes anyway
            if self._waker is not None:
                self._waker[0].send(b"!")

    # -- the thread ------------------------------------------------------------------------------------------

    def _run(self) -> None:
        selector, listener, waker = self._selector, self._listener, self._waker
        assert selector is not None
        assert listener is not None
        assert waker is not None
        sent = self._bulletin.text
        while not self._ends:
            slow = [each for each in self._connections.values() if not each.listens]
            for key, _ in selector.select(PATIENCE if slow else None):
                if key.fileobj is listener:
                    self._accept(selector, listener)
                elif key.fileobj is waker[1]:
                    waker[1].recv(4096)
                elif key.fd in self._connections:
                    self._read(selector, self._connections[key.fd])
            for each in slow:
                if not each.listens and time.monotonic() - each.since > PATIENCE:
                    self._drop(selector, each)
            text = self._bulletin.text
            if text is not sent:
                sent = text
                for each in [each for each in self._connections.values() if each.listens]:
                    if not each.send(_event(text)):
                        self._drop(selector, each)
        with self._lock:
            self._close()

    def _accept(self, selector: selectors.BaseSelector, listener: socket.socket) -> None:
        with suppress(OSError):  # it has gone again
            stream, _ = listener.accept()
            if len(self._connections) >= MOST:
                stream.close()
                return
            stream.setblocking(False)
            self._connections[stream.fileno()] = Connection(stream)
            selector.register(stream, selectors.EVENT_READ)

    def _drop(self, selector: selectors.BaseSelector, connection: Connection) -> None:
        if self._connections.pop(connection.socket.fileno(), None) is not None:
            selector.unregister(connection.socket)
            connection.socket.close()

    def _read(self, selector: selectors.BaseSelector, connection: Connection) -> None:
        try:
            data = connection.socket.recv(MOST_ASKED)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        connection.said += data
        # One that listens has nothing more to say.
        if not data or connection.listens or len(connection.said) > MOST_ASKED:
            self._drop(selector, connection)
        elif b"\r\n\r\n" in connection.said:
            origin = self._origin_of(_parsed(connection.said))
            if origin is None:
                connection.send(REFUSED)
                self._drop(selector, connection)
            else:
                connection.listens = True
                if not connection.send(_head(origin) + _event(self._bulletin.text)):
                    self._drop(selector, connection)

    def _origin_of(self, asked: Asked) -> str | None:
        """Return the origin of the page that may read the answer to a request; None if none may."""
        method, _, rest = asked.line.partition(" ")
        path = rest.partition(" ")[0]
        # A name that was made to point here (DNS rebinding) would be in the Host.
        if method != "GET" or asked.headers.get("host") != self._host():
            return None
        if not hmac.compare_digest(path.encode("latin-1"), self._path.encode("latin-1")):
            return None
        origin = asked.headers.get("origin", "")
        scheme, _, host = origin.partition("://")
        return origin if scheme in ("http", "https") and self._admits_host(host) else None

    def _close(self) -> None:
        for each in (*self._connections.values(), self._selector, self._listener, *(self._waker or ())):
            if isinstance(each, Connection):
                each.socket.close()
            elif each is not None:
                each.close()
        self._connections.clear()
        self._listener = self._selector = self._waker = None


def _parsed(said: bytes) -> Asked:
    line, *fields = said.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for field in fields:
        name, _, value = field.partition(":")
        # One that is said twice counts as none of both.
        headers[name.lower()] = value.strip() if name.lower() not in headers else ""
    return Asked(line, headers)


def _head(origin: str) -> bytes:
    lines = [
        "HTTP/1.1 200 OK",
        "Content-Type: text/event-stream; charset=utf-8",
        f"Access-Control-Allow-Origin: {origin}",
        "Vary: Origin",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _event(text: str) -> bytes:
    return f"data: {text}\n\n".encode("latin-1")  # JSON, in ASCII
