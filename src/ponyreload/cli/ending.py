"""Ending: signals such as Ctrl-C stop the server, promptly."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

__all__ = ["Ending", "end_by_force"]

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
# Seconds. At its end, Python waits for threads, also for one that is busy with a request, but no longer than this.
LONGEST_SECONDS = 5.0
# Seconds. How long to wait for the server to stop.
STOP_SECONDS = 2.0


class Ending:
    """Stops a server when a signal arrives. A context manager around the serving call, on the main thread.

    It does not raise an exception there, as Python does: that may come between any two steps of the server, and leave
    a lock held or a worker waited for.

    Args:
        stop: Makes the server stop serving; called in a thread of its own.
    """

    def __init__(self, stop: Callable[[], object]) -> None:
        self._stop = stop
        self._thread: threading.Thread | None = None
        self._signal = 0

    @property
    def status(self) -> int:
        """The exit status, as in shells: 130 after Ctrl-C."""
        return 128 + self._signal if self._signal else 0

    def __enter__(self) -> Ending:
        for number in SIGNALS:
            # Handlers of the application stay, and so do signals that the shell has it ignore.
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                signal.signal(number, self.begin)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def begin(self, number: int, frame: FrameType | None = None) -> None:  # noqa: ARG002 - a signal handler's
        """Stop the server. The second signal ends the process at once."""
        if self._signal:
            _end_now(128 + number)
        self._signal = number
        end_by_force(LONGEST_SECONDS, self.status)
        self._thread = threading.Thread(target=self._stop, name="ponyreload ends", daemon=True)
        self._thread.start()


def end_by_force(seconds: float, status: int) -> None:
    """End the process after *seconds*, if it still runs."""

    def end() -> None:
        time.sleep(seconds)
        _end_now(status)

    threading.Thread(target=end, name="ponyreload ends by force", daemon=True).start()


def _end_now(status: int) -> None:
    # Without flushing: a thread that is stuck may hold the lock of the stream.
    os._exit(status)
