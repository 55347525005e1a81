"""The developer's tools, as the reloader sees them: made by others, when they are first needed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from ponyreload.options.options import Options
from ponyreload.project import HiddenError
from ponyreload.reporting import say
from ponyreload.wsgi.tools import Page, Tools

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["DeveloperTools", "LazyTools"]


class DeveloperTools(Tools, Protocol):
    """What the reloader asks of the developer's tools."""

    @property
    def has_readers(self) -> bool:
        """Whether a page is open that waits for news, or asks for them."""

    def trust(self, clients: Iterable[str], hosts: Iterable[str], /) -> None:
        """Trust these clients and hosts besides the loopback ones."""

    def may_see(self, environ: dict[str, Any], /) -> bool:
        """Tell whether the client of a request may see source text."""

    def stop(self) -> None:
        """End the threads; pages hear no more."""

    def begin_in_child(self) -> None:
        """Reset the state in a forked process, which has none of the threads."""


class NoTools:
    """What there is where the developer's tools cannot be had."""

    has_readers = False

    def routes(self, environ: WSGIEnvironment, start_response: StartResponse, /) -> Iterable[bytes]:  # noqa: ARG002
        start_response("404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", "0")])
        return []

    def page(self, environ: WSGIEnvironment, start_response: StartResponse, /) -> None:
        pass

    def trust(self, clients: Iterable[str], hosts: Iterable[str], /) -> None:
        pass

    def may_see(self, environ: dict[str, Any], /) -> bool:  # noqa: ARG002
        return False

    def stop(self) -> None:
        pass

    def begin_in_child(self) -> None:
        pass


class LazyTools:
    """Makes the developer's tools when they are first needed, so that the start does not wait for their imports.

    Args:
        make: Makes them.
        options: Returns all options given so far.
        start: Starts watching: whoever asks for a tool has come to the server's first request.

    Threads: ``lock`` protects the making, and is held over a fork.
    """

    def __init__(
        self, make: Callable[[], DeveloperTools], options: Callable[[], Options], start: Callable[[], object]
    ) -> None:
        self.lock = threading.Lock()
        self._make = make
        self._options = options
        self._start = start
        self._made: DeveloperTools | None = None

    def get(self) -> DeveloperTools:
        """Return the tools. Called before the first load, so that they hear of each."""
        with self.lock:
            if self._made is None:
                try:
                    made = self._make()
                except HiddenError as error:
                    made = NoTools()
                    say(f"{error}; pages do not refresh, and there is no status page", logging.WARNING)
                options = self._options()
                made.trust(options.trusted_clients, options.trusted_hosts)
                self._made = made
            return self._made

    def routes(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request below the tools' prefix."""
        self._start()
        return self.get().routes(environ, start_response)

    def page(self, environ: WSGIEnvironment, start_response: StartResponse) -> Page | None:
        """Return what puts the script into the answer to a visit; None to leave the answer as it is."""
        return self.get().page(environ, start_response)

    def take_options(self) -> None:
        """Have the tools know of options that were added."""
        with self.lock:  # or tools that are being made may have read the options before
            if self._made is not None:
                options = self._options()
                self._made.trust(options.trusted_clients, options.trusted_hosts)

    @property
    def has_readers(self) -> bool:
        """Whether an open page waits for news."""
        return self._made is not None and self._made.has_readers

    def stop(self) -> None:
        """End them, if they were made."""
        if self._made is not None:
            self._made.stop()

    def begin_in_child(self) -> None:
        """Reset the state in a forked process."""
        if self._made is not None:
            self._made.begin_in_child()
