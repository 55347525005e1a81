"""The error page: the answer to each request while no generation has loaded yet."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ponyreload.errors import LoadError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["error_page", "error_text"]

NO_ERROR = "The application has not been loaded yet."
HIDDEN = "The application failed to load. See the terminal of ponyreload for the reason."

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }}
h1 {{ font-size: 1.25rem; overflow-wrap: anywhere; }}
pre {{ background: #8882; border-left: 4px solid #c33; overflow-x: auto; padding: 1rem; }}
</style>
</head>
<body>
<h1>{title}</h1>
<pre>{details}</pre>
<p>{outcome}</p>
</body>
</html>
"""


def error_page(newest: Callable[[], LoadError | None], may_see: Callable[[WSGIEnvironment], bool]) -> WSGIApplication:
    """Return an application that answers every request with the newest error, as HTML to clients that accept it.

    Args:
        newest: Returns the error of the last load; None if there was none.
        may_see: Tells whether the client of a request may see the error, which contains source text.
    """

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        error = newest()
        if error is None or not may_see(environ):
            title, details, outcome = HIDDEN if error else NO_ERROR, "", ""
        else:
            title, details, outcome = str(error), error.shareable, error.outcome
        if "text/html" in environ.get("HTTP_ACCEPT", ""):
            kind = "text/html"
            parts = {"title": title, "details": details, "outcome": outcome}
            text = PAGE.format(**{name: html.escape(part) for name, part in parts.items()})
        else:
            kind, text = "text/plain", error_text(title, details, outcome)
        body = text.encode("utf-8", "backslashreplace")
        headers = [
            ("Content-Type", f"{kind}; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
        ]
        start_response("503 Service Unavailable", headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    return application


def error_text(title: str, details: str, outcome: str) -> str:
    """Return the error as in the log."""
    return "".join(f"{part}\n" for part in (details, title, outcome) if part)
