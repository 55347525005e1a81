"""Draining: what keeps a superseded generation from retiring."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ponyreload.generations.generation import Generation
from ponyreload.interpreter.frames import thread_frames
from ponyreload.options.options import DRAIN_SECONDS
from ponyreload.reporting import say
from ponyreload.wsgi.bodies import LeasedBody
from ponyreload.wsgi.slots import Slot

__all__ = ["OpenRequest", "name_requests", "naming_at", "requests_of"]


class OpenRequest(NamedTuple):
    """A request that holds a generation, and for how many seconds it has:  OpenRequest("GET /stream", 42.0)."""

    line: str
    seconds: float


def naming_at(held: Iterable[Generation], drain_seconds: float | None) -> float | None:
    """Return when the requests of the next superseded generation are to be named, on the monotonic clock, if ever.

    Args:
        held: Superseded generations that requests hold.
        drain_seconds: The option: for how long they may. None for `DRAIN_SECONDS`.
    """
    return min((each.superseded_at + _patience(drain_seconds) for each in held), default=None)


def name_requests(held: Iterable[Generation], drain_seconds: float | None) -> None:
    """Name the requests that hold a superseded generation for too long; once for each. Arguments as of `naming_at`."""
    for generation in held:
        seconds = time.monotonic() - generation.superseded_at
        if seconds >= _patience(drain_seconds):
            generation.is_told = True
            # This costs a walk over all objects.
            requests = [f"{each.line}, open for {each.seconds:.0f} s" for each in requests_of(generation)]
            holders = ", ".join(requests) or f"{len(generation.leases)} requests"
            text = f"generation {generation.number} is held by {holders}, {seconds:.0f} s after it was superseded"
            say(f"{text}; newer requests are not delayed", logging.WARNING)


def _patience(drain_seconds: float | None) -> float:
    return DRAIN_SECONDS if drain_seconds is None else drain_seconds


def requests_of(generation: Generation, with_bodies: bool = True) -> list[OpenRequest]:
    """Return the requests that hold a generation, the oldest first. Nothing is noted down while requests run.

    Args:
        generation: The one that is held.
        with_bodies: Also those whose answer is being sent, which costs a walk over all objects.
    """
    now = time.monotonic()
    found = _calls(generation) + (_bodies(generation) if with_bodies else [])
    return [OpenRequest(_line(environ), now - started) for started, environ in sorted(found, key=lambda each: each[0])]


def _calls(generation: Generation) -> list[tuple[float, Any]]:
    """Return when they started, and the environ, of the requests that are in the application's call."""
    found = []
    for frame in list(thread_frames().values()):
        for each in _callers(frame):
            if each.f_code is Slot.__call__.__code__:
                names = each.f_locals
                if names.get("generation") is generation:
                    found.append((names["started"], names["environ"]))
    return found


def _callers(frame: Any) -> Iterator[Any]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _bodies(generation: Generation) -> list[tuple[float, Any]]:
    bodies = [each for each in gc.get_objects() if issubclass(type(each), LeasedBody)]
    return [(each.started, each.environ) for each in bodies if each.generation is generation]


def _line(environ: Any) -> str:
    return f"{environ.get('REQUEST_METHOD', '?')} {environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
