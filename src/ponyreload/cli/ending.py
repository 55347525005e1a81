"""Ending: Ctrl-C and its like end the server, promptly."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

__all__ = ["Ending", "end_by_force"]

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
# Python waits for threads, also for one that is busy with a request. It does not get longer than this.
LONGEST_SECONDS = 5.0
STOP_SECONDS = 2.0


class Ending:
    """Ends a server when a signal comes. A context manager, around what serves, on the main thread.

    Not by an exception there, as Python does it: that may come between any two steps of the server's, and leave
    a lock held or a worker waited for.

    Args:
        stop: Has the server stop serving; called in a thread of its own.
    """

    def __init__(self, stop: Callable[[], object]) -> None:
        self._stop = stop
        self._thread: threading.Thread | None = None
        self._signal = 0

    @property
    def status(self) -> int:
        """The exit status, as a shell has it: 130 after Ctrl-C."""
        return 128 + self._signal if self._signal else 0

    def __enter__(self) -> Ending:
        for number in SIGNALS:
            # What the application has set is its own affair, and so is what the shell has it ignore.
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                signal.signal(number, self.begin)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def begin(self, number: int, frame: FrameType | None = None) -> None:  # noqa: ARG002 - a signal handler's
        """End it; at once, if that was asked for before."""
        if self._signal:
            _end_now(128 + number)
        self._signal = number
        end_by_force(LONGEST_SECONDS, self.status)
        self._thread = threading.Thread(target=self._stop, name="ponyreload ends", daemon=True)
        self._thread.start()


def end_by_force(seconds: float, status: int) -> None:
    """End the process in so many seconds, if it is still there."""

    def end() -> None:
        time.sleep(seconds)
        _end_now(status)

    threading.Thread(target=end, name="ponyreload ends by force", daemon=True).start()


def _end_now(status: int) -> None:
    # Nothing is flushed: a thread that is stuck may hold the lock of the stream.
    os._exit(status)
