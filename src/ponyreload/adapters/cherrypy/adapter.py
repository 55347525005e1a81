"""CherryPy: its process-wide objects get contents of their own for each generation.

`cherrypy.tree`, `cherrypy.engine`, `cherrypy.config`, `cherrypy.server` and `cherrypy.tools` stay the objects that
they are, for those who imported them by name; their class is replaced by a subclass that looks up the active
generation's contents.
"""

from __future__ import annotations

from ponyreload.adapters.adapter import Adapter, Host
from ponyreload.adapters.cherrypy.bus import route_bus, unroute_bus
from ponyreload.adapters.cherrypy.firstuse import FIRST_USE
from ponyreload.adapters.cherrypy.listeners import LISTENERS
from ponyreload.adapters.cherrypy.mounts import MOUNTS
from ponyreload.adapters.cherrypy.sessions import SESSIONS
from ponyreload.adapters.cherrypy.settings import SETTINGS
from ponyreload.adapters.cherrypy.tables import TABLES
from ponyreload.adapters.cherrypy.tasks import TASKS
from ponyreload.adapters.cherrypy.threads import THREADS
from ponyreload.adapters.cherrypy.tools import TOOLS
from ponyreload.generations.context import published
from ponyreload.generations.generation import Generation

__all__ = ["ADAPTER", "CherryPyAdapter"]

# In the order in which they are installed; the listeners and the bus come last.
PARTS = (TABLES, MOUNTS, TOOLS, SETTINGS, SESSIONS, FIRST_USE, THREADS, TASKS)


class CherryPyAdapter(Adapter):
    """Replaces the classes of CherryPy's process-wide objects while autoreload is on."""

    def install(self, host: Host) -> None:
        self.host = host
        for part in PARTS:
            part.install()
        LISTENERS.install(host)
        route_bus()

    def uninstall(self) -> None:
        unroute_bus()
        LISTENERS.uninstall()
        for part in reversed(PARTS):
            part.uninstall()

    def before_publish(self, generation: Generation) -> None:
        """Start what the generation subscribed to the bus, and apply its settings."""
        first = self.host.living[0]
        if first.number == 1:
            TOOLS.claim(first)
            TABLES.claim(first)  # `cherrypy.tools` is in one, and carries no user code by now
            LISTENERS.claim(first)
        serving = published()
        if serving is not None:
            MOUNTS.check(serving, generation)
        LISTENERS.before_publish(generation)
        SETTINGS.before_publish(generation)

    def retire(self, generation: Generation) -> None:
        """Stop what the generation subscribed to the bus, and forget its applications."""
        LISTENERS.retire(generation)
        TASKS.retire(generation)
        FIRST_USE.retire(generation)


ADAPTER = CherryPyAdapter()
