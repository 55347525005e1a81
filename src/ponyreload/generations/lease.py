"""Leases: by which requests hold the generation that they run on."""

from __future__ import annotations

from collections.abc import Mapping
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ponyreload.generations.generation import Generation

__all__ = ["Lease", "lease_on"]


class Lease:
    """One request's hold on a generation, from its start until its response body is closed.

    Attributes:
        generation: The one that the request runs on.
        environ: The request's WSGI environment.
        started: When the request came, on the monotonic clock.
        thread: Identifier of the thread that took it, as `threading.get_ident` returns it.
    """

    __slots__ = ("environ", "generation", "started", "thread")

    generation: Generation
    environ: Mapping[str, Any]
    started: float
    thread: int

    def __repr__(self) -> str:
        return f"<lease of {self.line} on {self.generation!r}>"

    @property
    def line(self) -> str:
        """The request's method and path, as in ``"GET /cart"``."""
        environ = self.environ
        path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
        return f"{environ.get('REQUEST_METHOD', '?')} {path}"


def lease_on(generation: Generation, environ: Mapping[str, Any]) -> Lease:
    """Return a new lease of the calling thread.

    Runs on every request. Not an `__init__`: up to Python 3.12, calling that takes twice as long as all of this.
    """
    lease = Lease()
    lease.generation = generation
    lease.environ = environ
    lease.thread = get_ident()
    lease.started = monotonic()
    return lease
