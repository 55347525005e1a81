"""Servers and libraries: which module shows that one may be used, and which adapter knows it. The one table."""

from __future__ import annotations

__all__ = ["ADAPTERS", "LIBRARIES"]

# The module whose import shows that a server may be used -> the module that knows that server.
ADAPTERS = {
    "cheroot.server": "ponyreload.adapters.cheroot",
    "cherrypy": "ponyreload.adapters.cherrypy.adapter",
    "flup.server.ajp": "ponyreload.adapters.flup.adapter",
    "flup.server.ajp_fork": "ponyreload.adapters.flup.adapter",
    "flup.server.cgi": "ponyreload.adapters.flup.adapter",
    "flup.server.fcgi": "ponyreload.adapters.flup.adapter",
    "flup.server.fcgi_fork": "ponyreload.adapters.flup.adapter",
    "flup.server.fcgi_single": "ponyreload.adapters.flup.adapter",
    "flup.server.scgi": "ponyreload.adapters.flup.adapter",
    "flup.server.scgi_fork": "ponyreload.adapters.flup.adapter",
    "gevent.socket": "ponyreload.adapters.binding",
    "socket": "ponyreload.adapters.binding",
    "uwsgi": "ponyreload.adapters.uwsgi",
    "uwsgidecorators": "ponyreload.adapters.uwsgi",
    "waitress.server": "ponyreload.adapters.waitress",
    "werkzeug._reloader": "ponyreload.adapters.socketservers",
    "werkzeug.serving": "ponyreload.adapters.socketservers",
    "wsgiref.simple_server": "ponyreload.adapters.socketservers",
}
# The same for libraries that are no servers: a thread that is busy in one of these runs no server.
LIBRARIES = {
    "pony.orm.sqltranslation": "ponyreload.adapters.pony_orm",
}
