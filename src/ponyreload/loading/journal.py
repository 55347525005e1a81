"""The journal: the last loads, what each module of them took, and how they ended; told to whoever listens."""

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

# So many loads are remembered.
MOST = 50


@dataclass(frozen=True)
class Failure:
    """Why a load failed, as text only: its exception may hold the whole of its generation.

    Attributes:
        number: The number that the generation would have had.
        serving: The number of the generation that still serves; 0 if none has been served yet.
        text: All of it in one line.
        summary, file, line, source, details, shareable: As `LoadError` has them.
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

    def __str__(self) -> str:
        return self.text

    @property
    def outcome(self) -> str:
        """What is served now, and what to do."""
        return outcome(self.serving)

    @classmethod
    def of(cls, error: LoadError) -> Failure:
        """Take the texts of an error."""
        return cls(
            number=error.number,
            serving=error.serving,
            text=str(error),
            summary=error.summary,
            file=error.file,
            line=error.line,
            source=error.source,
            details=error.details,
            shareable=error.shareable,
        )


@dataclass(frozen=True)
class LoadRecord:
    """How a load went that was published, or that failed.

    Attributes:
        number: Of the generation.
        changed: Absolute paths of the files whose contents had changed; empty if the load was asked for.
        at: When it began, in seconds since the epoch.
        seconds: From then until it was published, or given up as failed.
        modules: Seconds that each module's own code took, without those of the modules that it imports, in the order
            in which they began:  {"shop": 0.0004, "shop.cart": 0.002}
        error: Why it failed; None if it serves.
    """

    number: int
    changed: tuple[str, ...]
    at: float
    seconds: float
    modules: dict[str, float]
    error: Failure | None


class Listener(Protocol):
    """Is told of loads, on the reloader's own thread; so it is to be quick, and must not keep a load."""

    def load_began(self, load: Load) -> None:
        """Take note that a load has begun; it may be overtaken by newer contents, and then another one begins."""

    def load_ended(self, record: LoadRecord) -> None:
        """Take note that a load was published or has failed."""

    def error_is_over(self, number: int) -> None:
        """Take note that the files are again those of generation *number*, which serves."""


class Journal:
    """Remembers the last loads. Any thread may read and listen; the lists are replaced or appended to as a whole."""

    def __init__(self) -> None:
        self._records: deque[LoadRecord] = deque(maxlen=MOST)
        self._listeners: tuple[Listener, ...] = ()
        self.lock = threading.Lock()  # guards the two

    def records(self) -> list[LoadRecord]:
        """Return the last loads, oldest first."""
        with self.lock:
            return list(self._records)

    def listen(self, listener: Listener) -> None:
        """Tell *listener* of all that comes."""
        with self.lock:
            self._listeners = (*self._listeners, listener)

    def forget(self, listener: Listener) -> None:
        """Tell *listener* no more."""
        with self.lock:
            self._listeners = tuple(each for each in self._listeners if each is not listener)

    def began(self, load: Load) -> None:
        """Note that a load begins."""
        self._tell(lambda listener: listener.load_began(load))

    def ended(self, record: LoadRecord) -> None:
        """Note how a load ended."""
        with self.lock:
            self._records.append(record)
        self._tell(lambda listener: listener.load_ended(record))

    def error_is_over(self, number: int) -> None:
        """Note that an error is over without a load."""
        self._tell(lambda listener: listener.error_is_over(number))

    def begin_in_child(self) -> None:
        """Begin anew in a forked process, which has none of the threads that listen."""
        self.lock = threading.Lock()
        self._listeners = ()

    def _tell(self, call: Callable[[Listener], object]) -> None:
        for listener in self._listeners:
            try:
                call(listener)
            except Exception:
                # Who only listens is not to keep anything from being served.
                say(f"{listener!r} failed:\n{traceback.format_exc()}", logging.ERROR)


def own_seconds(runs: Iterable[Run], until: float) -> dict[str, float]:
    """Return the seconds that each run took without those within it, in the order in which they began.

    Args:
        runs: What ran, and when, on the monotonic clock.
        until: The end of those that have not ended, as a script is held at its server. What comes later, such as an
            import in a request, does not count.
    """
    # A copy: a thread of the application may begin another one at any moment.
    runs = sorted((run for run in tuple(runs) if run.began <= until), key=lambda run: run.began)
    seconds = dict.fromkeys([run.name for run in runs], 0.0)
    within: dict[int, list[Run]] = {}  # for each thread, what is being run where the next one begins
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
