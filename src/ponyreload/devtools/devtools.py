"""The developer's tools of a process, as the middleware asks them."""

from __future__ import annotations

import html
import json
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote

from ponyreload.devtools.access import Access
from ponyreload.devtools.bulletin import Bulletin, now
from ponyreload.devtools.events import EventServer
from ponyreload.devtools.injection import Page
from ponyreload.devtools.page import add_status_page
from ponyreload.devtools.policy import Policies
from ponyreload.devtools.routes import Answer, Routes
from ponyreload.reloading.application import Application
from ponyreload.wsgi.tools import PREFIX

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["Devtools"]

# What libraries that replace a part of a page say of themselves; a browser's own visit has none of them.
OF_SCRIPTS = ("HTTP_HX_REQUEST", "HTTP_X_REQUESTED_WITH", "HTTP_RANGE")

# A page that has no stream asks every second; the browser may have one in the background do so more rarely.
ASKING_SECONDS = 5.0


class Devtools:
    """What a browser gets besides the application's own answers.

    Attributes:
        routes: What answers below `/__ponyreload__/`.
    """

    def __init__(self, application: Application) -> None:
        self._journal = application.journal
        self._bulletin = Bulletin()
        self._events = EventServer(self._bulletin, self._admits_host)
        # Processes that were forked tell pages the same.
        self._group = str(now())
        self.routes = Routes(Access())
        self.routes.add("client.js", _client)
        self.routes.add("news", self._news)
        add_status_page(self.routes, application)
        self._journal.listen(self._bulletin)

    @property
    def has_readers(self) -> bool:
        """Whether a page is open that waits for news, or asks for them; the status page too."""
        return self._events.has_readers or time.monotonic() - self.routes.asked_at < ASKING_SECONDS

    def trust(self, clients: Iterable[str], hosts: Iterable[str]) -> None:
        """Have clients and hosts trusted besides loopback ones."""
        self.routes.access = Access(clients, hosts)

    def page(self, environ: WSGIEnvironment, start_response: StartResponse) -> Page | None:
        """Return what puts the script into the answer to a visit; None if this one is to be left as it is."""
        if environ["REQUEST_METHOD"] != "GET" or any(header in environ for header in OF_SCRIPTS):
            return None  # a page that was posted is not to be asked for again
        if self.routes.access.refusal(environ) is not None:
            return None
        asked = now()
        return Page(start_response, lambda policies: self._script(environ, asked, policies))

    def may_see(self, environ: WSGIEnvironment) -> bool:
        """Tell whether the client of a request may see source text."""
        return self.routes.access.refusal(environ) is None

    def stop(self) -> None:
        """Tell pages no more."""
        self._journal.forget(self._bulletin)
        self._events.stop()

    def begin_in_child(self) -> None:
        """Reset the state in a forked process, which has none of the threads."""
        self._bulletin.forget_all()
        self._journal.listen(self._bulletin)
        self._events.drop()
        self._events = EventServer(self._bulletin, self._admits_host)

    def _admits_host(self, host: str) -> bool:
        return self.routes.access.admits_host(host)

    def _script(self, environ: WSGIEnvironment, asked: int, policies: Policies) -> bytes | None:
        """Return the script element for a page that was asked for at *asked*; None if its policies forbid it."""
        if not (policies.allow_script() and policies.allow_polls()):
            return None
        base = quote(environ.get("SCRIPT_NAME", "").encode("latin-1"))
        attributes = {"src": f"{base}{PREFIX}client.js", "nonce": policies.nonce, "data-base": base}
        attributes |= {"data-group": self._group, "data-asked": str(asked)}
        if policies.allow_any_origin():
            attributes["data-events"] = self._address(environ)
        said = "".join(f' {name}="{html.escape(value)}"' for name, value in attributes.items() if value)
        return f"<script async{said}></script>".encode("ascii")

    def _address(self, environ: WSGIEnvironment) -> str:
        """Return where the page that is asked for hears of news; "" if only by asking."""
        # To a browser on another machine, 127.0.0.1 is that one.
        return (self._events.address() or "") if self.routes.access.is_here(environ) else ""

    def _news(self, environ: WSGIEnvironment) -> Answer:
        news = json.loads(self._bulletin.text) | {"events": self._address(environ)}
        return Answer(json.dumps(news).encode(), "application/json")


def _client(environ: WSGIEnvironment) -> Answer:  # noqa: ARG001 - each handler is given it
    from importlib.resources import files  # here: it imports much

    script = files("ponyreload.devtools").joinpath("client.js").read_bytes()
    return Answer(script, "text/javascript; charset=utf-8")
