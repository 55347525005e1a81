"""Leases: by which requests hold the generation that they run on."""

from __future__ import annotations

from collections.abc import Mapping
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ponyreload.generations.generation import Generation

__all__ = ["Lease"]


class Lease:
    """One request's hold on a generation, from its start until its response body is closed.

    Attributes:
        generation: The one that the request runs on.
        environ: The request's WSGI environment.
        started: When the request came, on the monotonic clock.
        thread: Identifier of the thread that took it, as `threading.get_ident` returns it.
    """

    __slots__ = ("environ", "generation", "started", "thread")

    def __init__(self, generation: Generation, environ: Mapping[str, Any]) -> None:
        self.generation = generation
        self.environ = environ
        self.thread = get_ident()
        self.started = monotonic()

    def __repr__(self) -> str:
        return f"<lease of {self.line} on {self.generation!r}>"

    @property
    def line(self) -> str:
        """The request's method and path, as in ``"GET /cart"``."""
        environ = self.environ
        path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
        return f"{environ.get('REQUEST_METHOD', '?')} {path}"
