"""Bodies: an answer runs on one generation to its last byte."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextvars import Context
from typing import TYPE_CHECKING

from ponyreload.generations.lease import Lease
from ponyreload.tracebacks import hide_own_frames
from ponyreload.wsgi.exits import in_place_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["LeasedBody", "SizedBody", "is_file"]


class LeasedBody:
    """A response body that runs on the generation of its request, and gives the lease back when it is closed.

    Args:
        body: The application's own.
        lease: The request's.
        release: Takes the lease back.
        context: The request's context variables; the generation is entered there.
    """

    def __init__(
        self, body: Iterable[bytes], lease: Lease, release: Callable[[Lease], object], context: Context
    ) -> None:
        self._body = body
        self._parts: Iterator[bytes] | None = None
        self._lease: Lease | None = lease  # None once it has been given back
        self._give_back = release
        self._context = context

    def __iter__(self) -> Iterator[bytes]:
        try:
            self._parts = self._context.run(iter, self._body)
        except SystemExit as error:
            raise in_place_of(error)  # noqa: B904 - it has its cause
        return self

    def __next__(self) -> bytes:
        if self._parts is None:
            iter(self)
        assert self._parts is not None
        try:
            return self._context.run(next, self._parts)
        except StopIteration:
            raise
        except SystemExit as error:
            raise in_place_of(error)  # noqa: B904 - as above
        except BaseException as error:
            hide_own_frames(error, expected=())
            raise

    def close(self) -> None:
        """Close the application's body, and release the generation; the server calls this once."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                self._context.run(close)
        except SystemExit as error:
            raise in_place_of(error)  # noqa: B904 - as above
        finally:
            self._release()

    def __del__(self) -> None:
        # A server that lost its client may drop the body without closing it.
        self._release()

    def _release(self) -> None:
        lease, self._lease = self._lease, None
        if lease is not None:
            # The server may keep the body for longer, for instance until the next request of a connection.
            self._context = Context()
            self._give_back(lease)


class SizedBody(LeasedBody):
    """A body that knows its number of parts: servers send the length of one that has a single part."""

    def __len__(self) -> int:
        return len(self._body)  # type: ignore[arg-type]


def is_file(body: object, environ: WSGIEnvironment) -> bool:
    """Tell whether a body is the server's own kind of file, which it may send by a faster way."""
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(wrapper, type) and isinstance(body, wrapper)
