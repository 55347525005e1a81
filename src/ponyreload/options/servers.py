"""Servers and libraries that ponyreload knows by name. The one table: whoever needs one of their names looks here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["ADAPTERS", "TABLE", "Library"]


class Library(NamedTuple):
    """A server, or another library.

    Sample row: ``Library("cheroot", ("cheroot.server",), "cheroot", "cheroot", run={"cheroot": "cheroot.wsgi"})``.

    Attributes:
        name: As messages show it; empty if they never name it.
        modules: Their import shows that it may be used.
        adapter: The module in `ponyreload.adapters` that knows it; empty if there is none.
        distribution: Its name on the package index; empty if its version is of no interest, or Python's own.
        is_server: Whether it runs the application. Its threads serve all generations, and it cannot be isolated.
        run: What `ponyreload run --server` calls it, and the module to import for that.
    """

    name: str
    modules: tuple[str, ...]
    adapter: str = ""
    distribution: str = ""
    is_server: bool = True
    run: Mapping[str, str] = MappingProxyType({})

    @property
    def packages(self) -> set[str]:
        """The topmost packages of the modules."""
        return {module.partition(".")[0] for module in self.modules}


FLUP = ("fcgi", "fcgi_fork", "fcgi_single", "scgi", "scgi_fork", "ajp", "ajp_fork")
# Where several are imported, the process is named after the first: servers stand before what they are built on.
TABLE = (
    Library(
        "flup", tuple(f"flup.server.{each}" for each in FLUP), "flup.adapter", "flup",
        run={f"flup-{each}": f"flup.server.{each}" for each in ("fcgi", "scgi", "ajp")},
    ),
    Library("", ("flup.server.cgi",), "flup.adapter"),  # not named: it has a process for each request
    Library("CherryPy", ("cherrypy",), "cherrypy.adapter", "CherryPy", run={"cherrypy": "cherrypy"}),
    Library("cheroot", ("cheroot.server",), "cheroot", "cheroot", run={"cheroot": "cheroot.wsgi"}),
    Library("uWSGI", ("uwsgi", "uwsgidecorators"), "uwsgi"),
    Library("waitress", ("waitress.server",), "waitress", "waitress"),
    Library("werkzeug", ("werkzeug.serving", "werkzeug._reloader"), "socketservers", "Werkzeug"),
    Library("wsgiref", ("wsgiref.simple_server",), "socketservers"),
    Library("", ("socket", "gevent.socket"), "binding"),  # servers that are not known by name
    Library(
        "gunicorn", ("gunicorn", *(f"gunicorn.workers.{each}" for each in ("sync", "gthread", "ggevent", "geventlet"))),
        "gunicorn", "gunicorn",
    ),
    Library("mod_wsgi", ("mod_wsgi",)),
    Library("eventlet", ("eventlet",)),
    Library("Pony ORM", ("pony.orm.sqltranslation",), "pony_orm", is_server=False),
    Library("Bottle", ("bottle",), distribution="bottle", is_server=False),
    Library("Django", ("django",), distribution="Django", is_server=False),
    Library("Flask", ("flask",), distribution="flask", is_server=False),
)  # fmt: skip

# The module whose import shows that a server or library may be used -> the module of its adapter; in the order in
# which adapters are installed.
ADAPTERS = dict(
    sorted((module, f"ponyreload.adapters.{each.adapter}") for each in TABLE if each.adapter for module in each.modules)
)
