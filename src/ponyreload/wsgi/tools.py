"""The developer's tools, as a slot sees them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["PREFIX", "Page", "Tools"]

# The tools' own addresses begin with this, below the path at which the server has the application.
PREFIX = "/__ponyreload__/"


class Page(Protocol):
    """Puts the tools' script into one HTML answer."""

    @property
    def start_response(self) -> StartResponse:
        """Takes the status and the headers of the application's answer."""

    def around(self, body: Iterable[bytes], is_file: bool, /) -> Iterable[bytes]:
        """Return the body to send."""


class Tools(Protocol):
    """What a browser gets besides the application's own answers."""

    def routes(self, environ: WSGIEnvironment, start_response: StartResponse, /) -> Iterable[bytes]:
        """Answer a request below `PREFIX`."""

    def page(self, environ: WSGIEnvironment, start_response: StartResponse, /) -> Page | None:
        """Return what puts the script into the answer to a visit; None to leave the answer as it is."""
