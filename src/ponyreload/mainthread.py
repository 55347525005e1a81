"""The main thread: it carries out what only it may do, for code that is loaded in another thread."""

from __future__ import annotations

import functools
import logging
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

from ponyreload.generations import entered_generation
from ponyreload.reporting import say

__all__ = ["MainThread"]

# Sent to the main thread to have it pass by, wherever it waits. By default the system ignores this signal, so one
# that comes astray does no harm.
WAKE_UP = getattr(signal, "SIGURG", None)


class MainThread:
    """Takes the `signal.signal` calls of a load, and has the main thread carry them out once that is published.

    The queue is a deque, whose ends are safe to use from any thread.
    """

    def __init__(self) -> None:
        self._calls: deque[Callable[[], object]] = deque()
        self._before: Any = None
        self._installed = False

    def install(self) -> None:
        """Wrap `signal.signal`, if this is the main thread, the system can wake it, and nobody else does so."""
        if threading.current_thread() is threading.main_thread() and WAKE_UP and hasattr(signal, "pthread_kill"):
            self._before = signal.getsignal(WAKE_UP)
            if self._before in (signal.SIG_DFL, signal.SIG_IGN):
                _plain_signal(WAKE_UP, self._carry_out)
                signal.signal = self._signal
                self._installed = True

    def uninstall(self) -> None:
        """Undo `install`."""
        if self._installed:
            if signal.signal == self._signal:
                signal.signal = _plain_signal
            if WAKE_UP and threading.current_thread() is threading.main_thread():
                _plain_signal(WAKE_UP, self._before)
            self._installed = False

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

    def _signal(self, signalnum: int, handler: Any) -> Any:
        """What `signal.signal` is while autoreload is on."""
        generation = entered_generation()
        if generation is None or generation.load is None or threading.current_thread() is threading.main_thread():
            return _plain_signal(signalnum, handler)
        before = signal.getsignal(signalnum)  # raises ValueError for what is no signal
        if not callable(handler) and handler not in (signal.SIG_DFL, signal.SIG_IGN):
            raise TypeError("signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable object")
        if handler != before:
            call = functools.partial(_plain_signal, signalnum, handler)
            if generation.published:
                self.carry_out([call])
            else:
                generation.for_main_thread.append(call)
        return before


_plain_signal = signal.signal
