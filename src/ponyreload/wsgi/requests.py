"""Requests: those that keep a superseded generation from retiring are named."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import NamedTuple

from ponyreload.generations.generation import Generation
from ponyreload.options.options import DRAIN_SECONDS
from ponyreload.reporting import say

__all__ = ["OpenRequest", "name_requests", "naming_at", "requests_of"]


class OpenRequest(NamedTuple):
    """A request that holds a generation, and for how many seconds it has:  OpenRequest("GET /stream", 42.0)."""

    line: str
    seconds: float


def naming_at(held: Iterable[Generation], drain_seconds: float | None) -> float | None:
    """Return when to name the requests of the next superseded generation, on the monotonic clock; None for never.

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
            generation.has_named_requests = True
            requests = [f"{each.line}, open for {each.seconds:.0f} s" for each in requests_of(generation)]
            text = f"generation {generation.number} is held by {', '.join(requests)}, {seconds:.0f} s after it was"
            say(f"{text} superseded; newer requests are not delayed", logging.WARNING)


def _patience(drain_seconds: float | None) -> float:
    return DRAIN_SECONDS if drain_seconds is None else drain_seconds


def requests_of(generation: Generation) -> list[OpenRequest]:
    """Return the requests that hold a generation, the oldest first."""
    now = time.monotonic()
    leases = sorted(generation.leases.copy(), key=lambda lease: lease.started)
    return [OpenRequest(lease.line, now - lease.started) for lease in leases]
