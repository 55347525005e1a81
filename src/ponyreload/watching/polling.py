"""Polling: how often to look at the files where no events tell of their changes."""

from __future__ import annotations

import time

__all__ = ["POLL_SECONDS", "Polling"]

POLL_SECONDS = 1.0
# When nobody has used the application for so long, looks are so many times further apart.
REST_AFTER_SECONDS = 30.0
REST_FACTOR = 5


class Polling:
    """Knows the pace of the looks. Guarded by the lock of `Living`.

    Attributes:
        seconds: Between two looks while the application is used; None where events tell when to look.
        rests: Whether they are further apart now, so that what serves may be old.
    """

    def __init__(self) -> None:
        self.seconds: float | None = None
        self.rests = False
        self._used_at = time.monotonic()

    def note_use(self, at: float) -> None:
        """Note that there was a request, an open page or a change at that time, on the monotonic clock."""
        self._used_at = max(self._used_at, at)

    def next_pause(self) -> float | None:
        """Tell whether to rest; return the seconds until the next look, None if an event is to bring it."""
        self.rests = self.seconds is not None and time.monotonic() - self._used_at >= REST_AFTER_SECONDS
        return self.seconds * REST_FACTOR if self.seconds is not None and self.rests else self.seconds
