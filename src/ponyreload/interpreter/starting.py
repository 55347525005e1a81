"""Starting: of threads, also at the end of a process."""

from __future__ import annotations

import threading

__all__ = ["start"]


def start(thread: threading.Thread) -> bool:
    """Start *thread*; tell whether that was possible.

    When the main thread has ended and exit functions run, Python 3.12 starts no more threads. There is nobody then to
    whom that would be an error: the process ends.
    """
    try:
        thread.start()
    except RuntimeError:
        if threading.main_thread().is_alive():
            raise
        return False
    return True
