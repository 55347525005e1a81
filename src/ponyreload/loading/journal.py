"""The journal: the last loads, the time that each module took, and how they ended; listeners are notified of each."""

from __future__ import annotations

import logging
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from ponyreload.errors import LoadError, outcome
from ponyreload.generations.generation import Run
from ponyreload.loading.load import Load
from ponyreload.reporting import say

__all__ = ["Failure", "Journal", "Listener", "LoadRecord", "own_seconds"]

# How many loads are kept.
MOST = 50


@dataclass(frozen=True)
class Failure:
    """Why a load failed, as text only: its exception may hold the whole of its generation.

    Attributes:
        number: The number that the generation would have had.
        serving: The number of the generation that still serves; 0 if none has been served yet.
        text: The whole failure in one line.
        summary, file, line, source, details, shareable, hint: As in `LoadError`.
    """

    number: int
    serving: int
    text: str
    summary: str
    file: str | None
    line: int | None
    source: tuple[tuple[int, str], ...]
    details: str
    shareable: str
    hint: str

    def __str__(self) -> str:
        return self.text

    @property
    def outcome(self) -> str:
        """What is served now, and what to do."""
        return outcome(self.serving, self.hint)

    @classmethod
    def of(cls, error: LoadError) -> Failure:
        """Copy the texts of an error."""
        names = ("number", "serving", "summary", "file", "line", "source", "details", "shareable", "hint")
        return cls(text=str(error), **{name: getattr(error, name) for name in names})


@dataclass(frozen=True)
class LoadRecord:
    """One load that was published or has failed.

    Attributes:
        number: The generation's.
        changed: Absolute paths of the files whose contents had changed; empty if `Reloader.reload` asked for the load.
        at: When the load began, in seconds since the epoch.
        seconds: From then until the generation was published, or the load had failed.
        modules: Seconds that the code of each module took, without the modules that it imports, in the order in which
            they began:  {"shop": 0.0004, "shop.cart": 0.002}
        error: Why the load failed; None if the generation was published.
    """

    number: int
    changed: tuple[str, ...]
    at: float
    seconds: float
    modules: dict[str, float]
    error: Failure | None


class Listener(Protocol):
    """Is notified of loads, on the updater's thread: it has to be quick, and must not keep a load."""

    def load_began(self, load: Load) -> None:
        """Called when a load has begun; newer contents may overtake it, and then another one begins."""

    def load_ended(self, record: LoadRecord) -> None:
        """Called when a load was published or has failed."""

    def error_is_over(self, number: int) -> None:
        """Called when, after a load that failed, the files are again those of generation *number*, which serves."""


class Journal:
    """Keeps the last loads, and notifies listeners.

    Threads: `lock` protects the records and the listeners; all methods are safe to call from any thread. Listeners are
    called without it. It is not held over a fork, and a child gets another one: each change of the two is one step.
    """

    def __init__(self) -> None:
        self._records: deque[LoadRecord] = deque(maxlen=MOST)
        self._listeners: tuple[Listener, ...] = ()
        self.lock = threading.Lock()

    def records(self) -> list[LoadRecord]:
        """Return the last loads, oldest first."""
        with self.lock:
            return list(self._records)

    def listen(self, listener: Listener) -> None:
        """Notify *listener* from now on."""
        with self.lock:
            self._listeners = (*self._listeners, listener)

    def forget(self, listener: Listener) -> None:
        """Stop notifying *listener*."""
        with self.lock:
            self._listeners = tuple(known for known in self._listeners if known is not listener)

    def began(self, load: Load) -> None:
        """Note that a load has begun."""
        self._notify(lambda listener: listener.load_began(load))

    def ended(self, record: LoadRecord) -> None:
        """Note how a load ended."""
        with self.lock:
            self._records.append(record)
        self._notify(lambda listener: listener.load_ended(record))

    def error_is_over(self, number: int) -> None:
        """Note that an error is over without a load: the files are again those of generation *number*."""
        self._notify(lambda listener: listener.error_is_over(number))

    def begin_in_child(self) -> None:
        """Reset the state in a forked process, which has none of the threads that listen."""
        self.lock = threading.Lock()
        self._listeners = ()

    def _notify(self, call: Callable[[Listener], object]) -> None:
        for listener in self._listeners:
            try:
                call(listener)
            except Exception:
                # A listener must not keep a generation from being served.
                say(f"{listener!r} failed:\n{traceback.format_exc()}", logging.ERROR)


def own_seconds(runs: Iterable[Run], until: float) -> dict[str, float]:
    """Return the seconds that each run took without the runs within it, in the order in which they began.

    Args:
        runs: What ran, and when, on the monotonic clock.
        until: The end of runs that have not ended, such as a script at its server. Later runs, such as an import in a
            request, do not count.
    """
    # A copy: a thread of the application may begin another run at any moment.
    runs = sorted((run for run in tuple(runs) if run.began <= until), key=lambda run: run.began)
    seconds = dict.fromkeys([run.name for run in runs], 0.0)
    within: dict[int, list[Run]] = {}  # for each thread, the runs within which the next one begins
    for run in runs:
        around = within.setdefault(run.thread, [])
        while around and _end(around[-1], until) <= run.began:
            around.pop()
        took = _end(run, until) - run.began
        seconds[run.name] += took
        if around:
            seconds[around[-1].name] -= took
        around.append(run)
    return seconds


def _end(run: Run, until: float) -> float:
    return until if run.ended is None else min(run.ended, until)
