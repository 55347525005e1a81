"""Servers on CherryPy's bus: what a later script brings there, and does not start."""

from __future__ import annotations

import importlib
from typing import Any

from cherrypy.process.servers import FlupFCGIServer, FlupSCGIServer

from ponyreload.adapters import cheroot
from ponyreload.adapters.flup import adapter as flup
from ponyreload.generations.generation import Generation

__all__ = ["hand_over"]

# flup's server is made when the bus starts; until then there is only what it is to be made of.
FLUP_MODULES = {FlupFCGIServer: "flup.server.fcgi", FlupSCGIServer: "flup.server.scgi"}


def hand_over(httpserver: Any, generation: Generation) -> bool:
    """Give the server that runs the application of one that *generation* brings; tell whether it is of a known kind."""
    for kind, module in FLUP_MODULES.items():
        if isinstance(httpserver, kind):
            server = importlib.import_module(module).WSGIServer(*httpserver.args, **httpserver.kwargs)
            flup.ADAPTER.hand_over(server, generation)
            return True
    if hasattr(httpserver, "wsgi_app"):
        cheroot.ADAPTER.hand_over(httpserver, generation)
        return True
    return False
