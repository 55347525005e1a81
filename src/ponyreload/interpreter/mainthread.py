"""The main thread: it carries out what only it may do, for code that runs in another thread."""

from __future__ import annotations

import logging
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

from ponyreload.reporting import say

__all__ = ["MainThread"]

# Sent to the main thread to have it pass by, wherever it waits. By default the system ignores this signal, so one
# that comes astray does no harm.
WAKE_UP = getattr(signal, "SIGURG", None)


class MainThread:
    """Has the main thread make calls, wherever it waits.

    The queue is a deque, whose ends are safe to use from any thread, and take no lock: the main thread may be
    anywhere when it is woken.
    """

    def __init__(self) -> None:
        self._calls: deque[Callable[[], object]] = deque()
        self._before: Any = None
        self.is_installed = False

    def install(self) -> None:
        """Get ready, if this is the main thread, the system can wake it, and nobody else does so."""
        if threading.current_thread() is threading.main_thread() and WAKE_UP and hasattr(signal, "pthread_kill"):
            self._before = signal.getsignal(WAKE_UP)
            if self._before in (signal.SIG_DFL, signal.SIG_IGN):
                signal.signal(WAKE_UP, self._carry_out)
                self.is_installed = True

    def uninstall(self) -> None:
        """Undo `install`."""
        if self.is_installed:
            if WAKE_UP and threading.current_thread() is threading.main_thread():
                signal.signal(WAKE_UP, self._before)
            self.is_installed = False

    def carry_out(self, calls: Iterable[Callable[[], object]]) -> None:
        """Have the main thread make these calls, in order, as soon as it can."""
        self._calls.extend(calls)
        main = threading.main_thread().ident
        if self._calls and WAKE_UP and main is not None:
            signal.pthread_kill(main, WAKE_UP)

    def _carry_out(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a signal handler's
        while self._calls:
            try:
                self._calls.popleft()()
            except (ValueError, OSError, RuntimeError) as error:
                say(f"a signal handler could not be set: {error}", logging.ERROR)
