"""Binding: a load that takes an address which this process already uses gets an error with the ways out.

This is for servers that no other adapter knows. A script that starts one is reloaded like any other, up to there.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any, NamedTuple

from ponyreload.adapters.adapter import Adapter, Host
from ponyreload.adapters.servers import maker_of_this, shown_address
from ponyreload.adapters.standins import is_loading
from ponyreload.errors import PonyreloadError
from ponyreload.generations.context import MARK
from ponyreload.interpreter.frames import callers
from ponyreload.interpreter.private import imported, plain_socket_class
from ponyreload.reporting import shown

__all__ = ["ADAPTER", "AlreadyBoundError", "BindingAdapter"]

WAYS_OUT = (
    "ponyreload does not know what this line starts, so it cannot give it the new code. There are two ways out. "
    'Both serve AutoreloadMiddleware(application): start it under "if generation() <= 1:"; '
    "or start it in a script that does not use ponyreload, and that imports what it serves"
)


class AlreadyBoundError(PonyreloadError):
    """A load has come to a line that takes an address of this process again: it starts a server that is not known.

    No OSError: a library that tries the next port when one is taken would start a second server there.
    """

    def __init__(self, address: object, line: str | None) -> None:
        self.address = address
        self.line = line
        since = "" if line is None else f" since {line} ran"
        text = f"this process has {shown_address(address)} already{since}. {WAYS_OUT}"
        if not isinstance(address, tuple) and not os.path.exists(os.fsdecode(address)):  # type: ignore[arg-type]
            text += ". Its file has been deleted, so nobody reaches what runs: that needs a restart"
        super().__init__(text)


class Bound(NamedTuple):
    """An address, and the line of user code that took it: ``Bound(("127.0.0.1", 8080), "app.py:12")``."""

    address: Any
    line: str | None


class BindingAdapter(Adapter):
    """Wraps ``bind`` and ``listen`` of the socket classes that servers written in Python use."""

    def __init__(self) -> None:
        super().__init__()
        # By kind and port, or path:  (2, 8080) -> Bound(("127.0.0.1", 8080), "app.py:12"). Not by socket: some
        # libraries keep the descriptor only.
        self._bound: dict[object, Bound] = {}

    def install(self, host: Host) -> None:
        self.host = host
        self._process = os.getpid()
        for name in ("socket", "gevent.socket"):
            module = imported(name)
            if module is not None:
                self.patches.wrap(module.socket, "bind", self._bind)
                self.patches.wrap(module.socket, "listen", self._listen)

    def _bind(self, plain: Callable[[Any, Any], None], sock: Any, address: Any) -> None:
        """Bind a socket; in a load, unless that is where this process has one.

        Raises:
            AlreadyBoundError: It has.
        """
        key = _key(sock, address)
        there = self._bound.get(key)
        maker = maker_of_this()
        if there is not None and maker is not None and is_loading(maker) and _is_taken(sock, address):
            raise AlreadyBoundError(there.address, there.line)
        plain(sock, address)
        if key is not None:
            self._bound[key] = Bound(address, _user_line())

    def _listen(self, plain: Callable[..., None], sock: Any, *args: Any) -> None:
        """Have the files looked at, if the first script starts a server that is not known; nobody else will."""
        maker = maker_of_this()
        # A process that was forked does not serve what its parent does; multiprocessing's own listen for each other.
        if os.getpid() == self._process and maker is not None and maker.load is None and not _is_known():
            self.host.start()
        plain(sock, *args)


def _key(sock: Any, address: Any) -> object:
    """Return what a server's address is known by; None if it can be no server's, or asks for any free port."""
    import socket  # here: it is there whenever this is called, but the process may have no use for it

    if sock.type != socket.SOCK_STREAM:
        return None
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        return (sock.family, address[1]) if address[1] else None
    return os.path.abspath(os.fsdecode(address)) if isinstance(address, str | bytes) and address else None


def _is_taken(sock: Any, address: Any) -> bool:
    """Tell whether somebody has *address*, also if SO_REUSEPORT lets several have it."""
    import socket  # here: as in `_key`

    # Not `socket.socket`, which is wrapped.
    plain = plain_socket_class()
    if plain is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return True  # servers delete the file that they find at their path, so that says nothing
    probe = plain(sock.family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sock.family == socket.AF_INET6:
            only = sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        probe.bind(address)
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    finally:
        probe.close()
    return False


def _is_known() -> bool:
    """Tell whether an adapter, which knows what it does, is on this thread's stack."""
    names = (str(frame.f_globals.get("__name__")) for frame in callers())
    return any(name.startswith("ponyreload.adapters.") and name != __name__ for name in names)


def _user_line() -> str | None:
    """Return the nearest line of user code that called this, or None."""
    lines = (f"{shown(each.f_code.co_filename)}:{each.f_lineno}" for each in callers() if MARK in each.f_globals)
    return next(lines, None)


ADAPTER = BindingAdapter()
