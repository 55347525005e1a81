"""Leases: by which requests hold the generation that they run on."""

from __future__ import annotations

from collections.abc import Mapping
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any

from ponyreload.generations.owners import name_of_call

if TYPE_CHECKING:
    from ponyreload.generations.generation import Generation

__all__ = ["Lease", "WorkLease", "lease_on"]


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


class WorkLease(Lease):
    """The hold of what a request has given to an executor or a pool, until that is done.

    Attributes:
        function: What is to be called.
        thread: As above, once a thread has begun with it; before, no thread's.
    """

    __slots__ = ("function",)

    function: Any

    def __init__(self, function: Any, generation: Generation) -> None:
        by = next((each for each in generation.leases.copy() if each.thread == get_ident()), None)
        self.environ = {} if by is None else by.environ
        self.function = function
        self.generation = generation
        self.thread = 0
        self.started = monotonic()

    @property
    def line(self) -> str:
        """The request's method and path, and the function:  "GET /cart (shop.mail.send in a pool)"."""
        work = f"{name_of_call(self.function)} in a pool"
        return f"{super().line} ({work})" if self.environ else work


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
