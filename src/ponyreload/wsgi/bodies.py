"""Bodies: an answer runs on one generation to its last byte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextvars import Context
from typing import TYPE_CHECKING

from ponyreload.generations.generation import Generation

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from ponyreload.reloading.reloader import Reloader

__all__ = ["LeasedBody", "SizedBody", "is_file"]


class LeasedBody:
    """A response body that runs on the generation of its request, and gives the lease back when it is closed.

    Attributes:
        generation: The one that it runs on; None when the lease has been given back.
        environ: Of its request.
        started: When that came, on the monotonic clock.
    """

    def __init__(
        self,
        body: Iterable[bytes],
        generation: Generation,
        reloader: Reloader,
        environ: WSGIEnvironment,
        started: float,
        context: Context,
    ) -> None:
        self._body = body
        self._parts: Iterator[bytes] | None = None
        self.generation: Generation | None = generation
        self._reloader = reloader
        self._context = context
        self.environ = environ
        self.started = started

    def __iter__(self) -> Iterator[bytes]:
        self._parts = self._context.run(iter, self._body)
        return self

    def __next__(self) -> bytes:
        if self._parts is None:
            iter(self)
        assert self._parts is not None
        return self._context.run(next, self._parts)

    def close(self) -> None:
        """Close the application's body, and let go of the generation; the server calls this once."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                self._context.run(close)
        finally:
            self._release()

    def __del__(self) -> None:
        # A server that lost its client may drop the body without closing it.
        self._release()

    def _release(self) -> None:
        generation, self.generation = self.generation, None
        if generation is not None:
            # The server may keep the body for longer, until the next request of a connection for instance.
            self._context = Context()
            self._reloader.release(generation)


class SizedBody(LeasedBody):
    """A body that knows its number of parts: servers send the length of one that has a single part."""

    def __len__(self) -> int:
        return len(self._body)  # type: ignore[arg-type]


def is_file(body: object, environ: WSGIEnvironment) -> bool:
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(wrapper, type) and isinstance(body, wrapper)
