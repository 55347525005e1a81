"""Binding: a load that takes an address which this process has taken already is told so, and what to do."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from ponyreload.adapters.patches import Patches
from ponyreload.adapters.servers import maker_of_this, shown_address
from ponyreload.adapters.standins import is_loading
from ponyreload.errors import PonyreloadError
from ponyreload.generations import MARK, Generation
from ponyreload.reloader import Reloader
from ponyreload.reporting import shown

__all__ = ["ADAPTER", "AlreadyBoundError", "BindingAdapter"]

WAYS_OUT = (
    "ponyreload does not know what this line starts, so it cannot hand it the new code. Two ways out: "
    'wrap the application in AutoreloadMiddleware, and put "if generation() <= 1:" before the line; or start the server '
    "in a module with USE_AUTORELOAD = False, and have it serve AutoreloadMiddleware('package.module:application')"
)


class AlreadyBoundError(PonyreloadError):
    """A load has come to a line that takes an address of this process again: it starts a server that is not known.

    No OSError: a library that tries the next port when one is taken would start a second server there.
    """

    def __init__(self, address: object, line: str | None) -> None:
        self.address = address
        self.line = line
        since = "" if line is None else f" since {line} ran"
        super().__init__(f"this process has {shown_address(address)} already{since}. {WAYS_OUT}")


class Bound(NamedTuple):
    """Where a socket was bound, and by which line of user code: ``Bound(2, ("127.0.0.1", 8080), "app.py:12")``."""

    family: int
    address: Any
    line: str | None


class BindingAdapter:
    """Wraps ``bind`` of the socket classes that servers written in Python use."""

    def __init__(self) -> None:
        self._patches = Patches()
        self._bound: WeakKeyDictionary[Any, Bound] = WeakKeyDictionary()

    def install(self, reloader: Reloader) -> None:  # noqa: ARG002 - an adapter's
        for name in ("socket", "gevent.socket"):
            module = sys.modules.get(name)
            if module is not None:
                self._patches.wrap(module.socket, "bind", self._bind)

    def uninstall(self) -> None:
        self._patches.undo()

    def before_publish(self, generation: Generation) -> None:
        """Nothing is due."""

    def retire(self, generation: Generation) -> None:
        """Nothing is held."""

    def _bind(self, plain: Callable[[Any, Any], None], sock: Any, address: Any) -> None:
        """Bind a socket; in a load, unless this process has bound one there.

        Raises:
            AlreadyBoundError: It has.
        """
        import socket  # here: the process may have no use for it

        maker = maker_of_this()
        is_watched = maker is not None and is_loading(maker) and sock.type == socket.SOCK_STREAM
        if is_watched and sock.family not in (socket.AF_INET, socket.AF_INET6):
            # A path: servers delete what they find there, so it would be free.
            self._check(sock, address, (sock.family,))
        try:
            plain(sock, address)
        except OSError as error:
            if is_watched and error.errno == errno.EADDRINUSE:
                # A socket for IPv6 may take the IPv4 port too.
                self._check(sock, address, (socket.AF_INET, socket.AF_INET6))
            raise
        if is_watched:
            self._check(sock, address, (sock.family,))  # with SO_REUSEPORT both can have it
        if sock.type == socket.SOCK_STREAM:
            self._bound[sock] = Bound(sock.family, _absolute(sock.getsockname()), _user_line())

    def _check(self, sock: Any, address: Any, families: tuple[int, ...]) -> None:
        for other, bound in list(self._bound.items()):
            is_open = other is not sock and other.fileno() >= 0
            if is_open and bound.family in families and _overlap(address, bound.address):
                raise AlreadyBoundError(bound.address, bound.line) from None


def _overlap(wanted: Any, there: Any) -> bool:
    """Tell whether two addresses, as `bind` takes them, are the same for a server; *there* has been resolved."""
    if not isinstance(wanted, tuple) or not isinstance(there, tuple):
        return bool(_absolute(wanted) == there)
    if wanted[1] != there[1]:
        return False
    hosts = {str(wanted[0]), str(there[0])}
    everywhere = {"", "0.0.0.0", "::"}  # noqa: S104 - not to bind
    # A name may stand for any address.
    is_name = not all(map(_is_number, hosts))
    return len(hosts) == 1 or is_name or bool(hosts & everywhere)


def _is_number(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


def _absolute(address: Any) -> Any:
    """Return the address of a socket so that it can be compared: a path without the current folder."""
    if isinstance(address, tuple) or address[:1] in ("\0", b"\0"):
        return address
    return os.path.abspath(os.fsdecode(address))


def _user_line() -> str | None:
    """Return the nearest line of user code that called this, or None."""
    frame = sys._getframe(1)
    while frame is not None:
        if MARK in frame.f_globals:
            return f"{shown(frame.f_code.co_filename)}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return None


ADAPTER = BindingAdapter()
