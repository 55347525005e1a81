"""Adapters: what ponyreload knows about servers. Each is known by name only, until it is there."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ponyreload.generations.generation import Generation
    from ponyreload.reloading.reloader import Reloader

__all__ = ["ADAPTERS", "LIBRARIES", "Adapter", "adapter_for"]

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


class Adapter(Protocol):
    """What ponyreload knows about one server."""

    def install(self, reloader: Reloader) -> None:
        """Put the hooks into what has been imported of the server's library; called again when there is more."""

    def uninstall(self) -> None:
        """Take them out."""

    def before_publish(self, generation: Generation) -> None:
        """Do what is due before a loaded generation serves; an exception keeps it from being published."""

    def retire(self, generation: Generation) -> None:
        """Let go of what the server's library holds for a generation; also for one that was never published."""


def adapter_for(server: str) -> Adapter:
    """Return the adapter for the server, or the library, that module *server* belongs to."""
    adapter: Adapter = importlib.import_module({**ADAPTERS, **LIBRARIES}[server]).ADAPTER
    return adapter
