"""Private names of CPython: what each is for, what is done where it is missing, and on which Pythons it was seen."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

__all__ = ["call_before_threads_are_joined", "free_in_child"]


def call_before_threads_are_joined(function: Callable[[], object]) -> None:
    """Have *function* called when the main thread has ended, before the interpreter waits for the other threads.

    `atexit` comes after that. `concurrent.futures` uses the same name. Where it is missing, threads of parked scripts
    are not asked to end, and the interpreter waits for those that are no daemons. Seen on 3.10 to 3.13.
    """
    register = getattr(threading, "_register_atexit", None)
    if register is not None:
        register(function)


def free_in_child(lock: Any) -> None:
    """Make a lock or a condition free in a forked process, whoever held it in the parent.

    `threading` and `logging` use the same name. Where it is missing, the lock stays as it is. Seen on 3.10 to 3.13.
    """
    getattr(lock, "_at_fork_reinit", lambda: None)()
