"""Prefork: flup's servers that fork, mended so that signals end them."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["run_prefork"]

# A child learns that it is to end when its request is done. One that has not done so after this time gets SIGINT;
# again after the same time, because flup takes the first for a failure of the request; and SIGKILL after the last.
# flup has the same in mind, but waits for ever.
PRESS_SECONDS = 1.0
PRESSES = (*[signal.SIGINT] * 5, signal.SIGKILL)


def run_prefork(plain: Callable[[Any, socket.socket], bool], server: Any, sock: socket.socket) -> bool:
    """Run `flup.server.preforkserver.PreforkServer.run` so that signals end it; return whether SIGHUP did.

    flup was written for a Python in which a signal ends `select.select` and `os.wait`. Since Python 3.5 these go on
    (PEP 475): the parent would see that it is to end when the next child reports, and wait for a busy child for ever.
    """
    with Wake(sys.modules["flup.server.preforkserver"]) as wake, contextlib.ExitStack() as stack:
        end_children = server._cleanupChildren
        for name, replacement in (
            ("_intHandler", wake.after(server._intHandler)),
            ("_hupHandler", wake.after(server._hupHandler)),
            ("_cleanupChildren", lambda: _end_children(server, end_children)),
        ):
            setattr(server, name, replacement)
            stack.callback(delattr, server, name)
        return plain(server, sock)


class Wake:
    """Stands for the module `select` in flup's module: a signal ends its `select`, in the parent."""

    error = select.error

    def __init__(self, module: Any) -> None:
        self._module = module
        self._parent = os.getpid()
        self._ear, self._mouth = socket.socketpair()

    def __enter__(self) -> Wake:
        self._module.select = self
        return self

    def __exit__(self, *exception: object) -> None:
        self._module.select = select
        self._ear.close()
        self._mouth.close()

    def after(self, handler: Callable[[int, Any], None]) -> Callable[[int, Any], None]:
        """Return a signal handler that does what *handler* does, and ends `select`."""

        def handle(number: int, frame: Any) -> None:
            handler(number, frame)
            self._mouth.send(b"\0")

        return handle

    def select(self, readers: list[Any], writers: list[Any], others: list[Any], timeout: float | None = None) -> Any:
        if os.getpid() != self._parent:
            return select.select(readers, writers, others, timeout)
        ready, *rest = select.select([*readers, self._ear], writers, others, timeout)
        return [each for each in ready if each is not self._ear], *rest


def _end_children(server: Any, plain: Callable[[], None]) -> None:
    """Wait for the children, which have been told to end, and press those that do not."""
    ended = threading.Event()

    def press() -> None:
        for how in PRESSES:
            if ended.wait(PRESS_SECONDS):
                return
            for pid in list(server._children):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, how)

    threading.Thread(target=press, name="ponyreload ends flup's children", daemon=True).start()
    try:
        plain()
    finally:
        ended.set()
