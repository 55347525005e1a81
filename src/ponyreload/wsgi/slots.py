"""Slots: each WSGI request runs on one generation, from its first line to the last byte of its answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import copy_context
from typing import TYPE_CHECKING, Protocol

from ponyreload.generations.context import enter, entered_generation
from ponyreload.generations.generation import Generation
from ponyreload.generations.lease import Lease
from ponyreload.tracebacks import hide_own_frames
from ponyreload.wsgi.bodies import LeasedBody, SizedBody, is_file
from ponyreload.wsgi.exits import in_place_of
from ponyreload.wsgi.places import at
from ponyreload.wsgi.tools import PREFIX, Tools

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["Leases", "Slot"]


class Leases(Protocol):
    """What a slot asks of the reloader. All of it may be called from any thread."""

    @property
    def tools(self) -> Tools | None:
        """The developer's tools; None if a browser is to get nothing of ours."""

    def catch_up(self) -> None:
        """Wait until the newest contents are served, if they may have changed unseen."""

    def lease(self, environ: WSGIEnvironment, /) -> Lease:
        """Give a request a hold on the generation that serves."""

    def release(self, lease: Lease, /) -> None:
        """Take a lease back."""


class Slot:
    """One WSGI application as a server holds it; each generation fills it with its own object.

    Args:
        leases: Gives the leases.
        key: What tells this slot from others, the same in each generation.
        name: How messages call it.
        shared_app: Serves each generation that does not fill the slot, if there is one.
        place: Where a generation has the application that does not fill the slot, as an import string.
        make: Makes the application of a generation, in its load.

    Attributes:
        key, name: As above.
        is_held: Whether a server calls it directly, and not a framework within a request.
    """

    def __init__(
        self,
        leases: Leases,
        key: object,
        name: str,
        shared_app: WSGIApplication | None = None,
        place: str | None = None,
        make: Callable[[], WSGIApplication] | None = None,
    ) -> None:
        self._leases = leases
        self.key = key
        self.name = name
        self._shared_app = shared_app
        self._place = place
        self._make = make
        self.is_held = False

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        held = entered_generation()
        if held is not None:
            return self._app(held)(environ, start_response)
        self.is_held = True
        leases = self._leases
        tools, page = leases.tools, None
        if tools is not None:
            if environ.get("PATH_INFO", "").startswith(PREFIX):
                return tools.routes(environ, start_response)
            # A browser says so when its user visits a page; it says nothing to a host that is not this machine.
            kind = environ.get("HTTP_SEC_FETCH_DEST")
            if kind == "document" or (kind is None and "text/html" in environ.get("HTTP_ACCEPT", "")):
                # First: what that brings in is no news to the page that is asked for now.
                leases.catch_up()
                page = tools.page(environ, start_response)
                if page is not None:
                    start_response = page.start_response
        lease = leases.lease(environ)
        generation = lease.generation
        # What the application leaves in context variables goes with its request; the server's thread would keep it.
        context = copy_context()
        context.run(enter, generation)
        try:
            app: WSGIApplication = generation.apps.get(self.key) or self._app(generation)
            body = context.run(app, environ, start_response)
            if page is not None:
                body = page.around(body, is_file(body, environ))
        except SystemExit as error:
            leases.release(lease)
            raise in_place_of(error)  # noqa: B904 - it has its cause
        except BaseException as error:
            leases.release(lease)
            hide_own_frames(error, expected=())
            raise
        # The server may treat these in its own way, so they stay as they are; no code of the application is to run.
        if type(body) in (list, tuple) or is_file(body, environ):
            leases.release(lease)
            return body
        kind_of_body = SizedBody if hasattr(type(body), "__len__") else LeasedBody
        return kind_of_body(body, lease, leases.release, context)

    @property
    def is_shared(self) -> bool:
        """Whether one application serves all generations."""
        return self._shared_app is not None

    def lacks(self, generation: Generation) -> bool:
        """Tell whether *generation* has not filled this slot yet, and nothing else can."""
        return self._place is None and self._shared_app is None and self.key not in generation.apps

    def let_go(self) -> None:
        """Note that no server holds this slot any more, so a generation may leave it empty."""
        self.is_held = False

    def fill(self, generation: Generation) -> None:
        """Make the application of *generation*, which is active, if that is how this slot is filled."""
        if self._make is not None:
            generation.apps[self.key] = self._make()

    def check(self, generation: Generation) -> None:
        """Fill this slot from its place, if it has one and *generation* left it empty.

        Raises:
            LookupError: A server holds this slot, and it is still empty.
        """
        if self._place is not None and self.key not in generation.apps:
            app = at(self._place, generation)
            if callable(app):
                generation.apps[self.key] = app
        if self.is_held:
            self._app(generation)

    def _app(self, generation: Generation) -> WSGIApplication:
        app = generation.apps.get(self.key, self._shared_app)
        if app is None:
            what = "no application" if self._place is None else f"no application {self._place}"
            message = f"generation {generation.number} makes {what} for {self.name}, which a server holds"
            raise LookupError(f"{message}; make one there again, or restart the process")
        return app  # type: ignore[no-any-return]
