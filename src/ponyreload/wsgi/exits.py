"""Exits: a request that calls `sys.exit` does not end its server."""

from __future__ import annotations

import signal
import threading
from traceback import walk_tb

from ponyreload.errors import PonyreloadError

__all__ = ["RequestExitError", "in_place_of"]


class RequestExitError(PonyreloadError):
    """A request, or a module that it imported, raised SystemExit, and nobody caught it."""


def in_place_of(error: SystemExit) -> BaseException:
    """Return what a server is to get in place of a request's SystemExit: an error that it answers with status 500.

    A signal handler may raise it to end the process, wherever the main thread is: that one stays.
    """
    if threading.current_thread() is threading.main_thread():
        handlers = [signal.getsignal(each) for each in signal.valid_signals()]
        codes = [getattr(getattr(each, "__func__", each), "__code__", None) for each in handlers]
        if any(frame.f_code in codes for frame, _ in walk_tb(error.__traceback__)):
            return error
    raised = RequestExitError(f"the request raised SystemExit({error.code!r}); the server goes on")
    raised.__cause__ = error
    return raised
