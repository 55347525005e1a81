"""Routes: what answers below `/__ponyreload__/`, to whom, and with which headers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ponyreload.devtools.access import Access
from ponyreload.options.trusted import host_name
from ponyreload.wsgi.tools import PREFIX

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["Answer", "Handler", "Routes"]

# What is not said to be allowed is not; and no other page may show one of these within itself.
POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

HEADERS = [
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
]


class Answer(NamedTuple):
    """What a handler returns.

    Attributes:
        body: All of it; text that is not ours is escaped already.
        content_type: With its charset.
        allows: What a page needs of its own, as parts of its Content-Security-Policy: "style-src 'sha256-…'".
        status: The status line.
    """

    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    allows: str = ""
    status: str = "200 OK"


# Makes an answer to one request that was admitted. It changes nothing, and puts nothing of the request into a page.
Handler = Callable[[dict[str, Any]], Answer]


class Routes:
    """A WSGI application: what is at each path below `PREFIX`, for those who may see it.

    Nothing there is changed by a request: it takes GET and HEAD, and nothing else.

    Attributes:
        access: Who may see it.
        asked_at: When somebody did so last, on the monotonic clock.
    """

    def __init__(self, access: Access) -> None:
        self.access = access
        self.asked_at = float("-inf")
        # What follows `PREFIX` -> what answers:  "status.json" -> <function>
        self._handlers: dict[str, Handler] = {}

    def add(self, name: str, handler: Handler) -> None:
        """Have *handler* answer at *name* below `PREFIX`; "" is `PREFIX` itself."""
        self._handlers[name] = handler

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        answer = self._answer(environ)
        policy = POLICY if not answer.allows else f"{POLICY}; {answer.allows}"
        headers = [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body))), *HEADERS]
        headers.append(("Content-Security-Policy", policy))
        if answer.status.startswith("405"):
            headers.append(("Allow", "GET, HEAD"))
        start_response(answer.status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]

    def _answer(self, environ: WSGIEnvironment) -> Answer:
        # First of all: who may not look is not told what there is.
        refusal = self.access.refusal(environ)
        if refusal is None and _is_of_another_origin(environ):
            refusal = "a page of another origin asks"
        if refusal is not None:
            # Nothing of the request is in this text.
            return Answer(f"ponyreload does not answer here: {refusal}\n".encode(), status="403 Forbidden")
        self.asked_at = time.monotonic()
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return Answer(b"ponyreload takes GET and HEAD here\n", status="405 Method Not Allowed")
        handler = self._handlers.get(environ.get("PATH_INFO", "").removeprefix(PREFIX))
        if handler is None:
            return Answer(b"ponyreload has nothing at this path\n", status="404 Not Found")
        return handler(environ)


def _is_of_another_origin(environ: WSGIEnvironment) -> bool:
    """Tell whether a page of another origin asks, and not the developer who follows a link or types an address."""
    site = environ.get("HTTP_SEC_FETCH_SITE", "none")
    is_visit = environ.get("HTTP_SEC_FETCH_MODE") == "navigate" and environ.get("HTTP_SEC_FETCH_DEST") == "document"
    if site not in ("same-origin", "none") and not is_visit:
        return True
    # Older browsers say no more than this; a proxy may have changed the port of the Host.
    origin = environ.get("HTTP_ORIGIN")
    return origin is not None and host_name(origin.partition("://")[2]) != host_name(environ.get("HTTP_HOST", ""))
