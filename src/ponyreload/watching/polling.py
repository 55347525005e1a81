"""Polling: how often to scan the files where no events report their changes."""

from __future__ import annotations

import time

__all__ = ["POLL_SECONDS", "Polling"]

# Seconds between two scans, where no option says otherwise.
POLL_SECONDS = 1.0
# Seconds. When nobody has used the application for so long, polling comes to rest: scans are further apart.
REST_AFTER_SECONDS = 30.0
# How many times further apart scans are in a rest.
REST_FACTOR = 5


class Polling:
    """Decides how long to wait until the next scan. Guarded by the lock of `Living`.

    Attributes:
        seconds: Between two scans while the application is used; None where events call for scans.
        rests: Whether scans are further apart now, so that what serves may be old.
    """

    def __init__(self) -> None:
        self.seconds: float | None = None
        self.rests = False
        self._used_at = time.monotonic()

    def note_use(self, at: float) -> None:
        """Note that there was a request, an open page or a change then, on the monotonic clock."""
        self._used_at = max(self._used_at, at)

    def next_pause(self) -> float | None:
        """Decide whether to rest; return the seconds until the next scan, None if it is to wait for an event."""
        self.rests = self.seconds is not None and time.monotonic() - self._used_at >= REST_AFTER_SECONDS
        return self.seconds * REST_FACTOR if self.seconds is not None and self.rests else self.seconds
