"""The status page: a page that shows what `status` tells, and asks for it again every second."""

from __future__ import annotations

import json

from ponyreload.devtools.routes import Answer, Routes
from ponyreload.devtools.status import Status
from ponyreload.reloading.application import Application

__all__ = ["add_status_page"]

# What follows the prefix -> the file that is there, its type, and what it needs of its own. The page is the same for
# everybody: what it shows, its script puts in as text.
FILES = {
    "": ("status.html", "text/html", "script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'"),
    "status.css": ("status.css", "text/css", ""),
    "status.js": ("status.js", "text/javascript", ""),
    "status.svg": ("status.svg", "image/svg+xml", ""),
}


def add_status_page(routes: Routes, application: Application) -> None:
    """Have *routes* answer with the status page of *application*, and with what it shows as JSON."""
    for path, (file, kind, allows) in FILES.items():
        routes.add(path, lambda mount, file=file, kind=kind, allows=allows: _file(file, kind, allows))  # type: ignore[misc]  # noqa: ARG005
    status = Status(application)
    routes.add("status.json", lambda mount: _json(status))  # noqa: ARG005


def _file(name: str, kind: str, allows: str) -> Answer:
    from importlib.resources import files  # here: it imports much

    return Answer(files(__package__).joinpath(name).read_bytes(), f"{kind}; charset=utf-8", allows)


def _json(status: Status) -> Answer:
    return Answer(json.dumps(status.data()).encode("ascii"), "application/json")
