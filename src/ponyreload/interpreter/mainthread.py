"""The main thread: makes calls for other threads that only it may make, such as setting a signal handler."""

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

# The signal that interrupts the main thread wherever it waits. The system ignores it by default, so a stray one does no
# harm. None on Windows.
WAKE_UP = getattr(signal, "SIGURG", None)


class MainThread:
    """Makes calls on the main thread, wherever it waits.

    The queue is a deque: adding to one end and taking from the other is atomic. It needs no lock, which the main thread
    might already hold when the signal interrupts it.
    """

    def __init__(self) -> None:
        self._calls: deque[Callable[[], object]] = deque()
        self._before: Any = None
        self.is_installed = False

    def install(self) -> None:
        """Set the signal handler, if this is the main thread and nobody else uses the signal."""
        if threading.current_thread() is threading.main_thread() and WAKE_UP and hasattr(signal, "pthread_kill"):
            self._before = signal.getsignal(WAKE_UP)
            if self._before in (signal.SIG_DFL, signal.SIG_IGN):
                signal.signal(WAKE_UP, self._carry_out)
                self.is_installed = True

    def uninstall(self) -> None:
        """Restore the signal handler."""
        if self.is_installed:
            if WAKE_UP and threading.current_thread() is threading.main_thread():
                signal.signal(WAKE_UP, self._before)
            self.is_installed = False

    def carry_out(self, calls: Iterable[Callable[[], object]]) -> None:
        """Make these calls on the main thread, in order, as soon as possible. Returns at once."""
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
