"""flup: FastCGI, SCGI and AJP servers. The first script runs them; those of later generations are parked there."""

from __future__ import annotations

import importlib.util
import logging
import os
import stat
import sys
import threading
from collections.abc import Callable
from typing import Any

from ponyreload.adapters.adapter import Adapter, Host
from ponyreload.adapters.flup.prefork import run_prefork
from ponyreload.adapters.servers import Offer, Servers, maker_of_this, shown_address
from ponyreload.generations.generation import Generation
from ponyreload.options.servers import ADAPTERS
from ponyreload.reporting import say

__all__ = ["ADAPTER", "FlupAdapter"]

CGI = "flup.server.cgi"
NOTHING_TO_RELOAD = "CGI has a process for each request: there is nothing to reload"


class FlupAdapter(Adapter):
    """Wraps ``run`` of each ``flup.server.*.WSGIServer`` that has been imported.

    These have no base class in common that has it. All of them look up their application for each request.
    """

    def __init__(self) -> None:
        super().__init__()
        self._servers = Servers("flup")

    def install(self, host: Host) -> None:
        self.host = host
        for module, adapter in ADAPTERS.items():
            if adapter == __name__:
                self._wrap(module, "WSGIServer", "run", self._run_once if module == CGI else self._run)
        self._wrap("flup.server.threadedserver", "ThreadedServer", "__init__", self._init_threaded)
        self._wrap("flup.server.preforkserver", "PreforkServer", "run", run_prefork)

    def hand_over(self, server: Any, generation: Generation) -> None:
        """Give the server that runs the application of *server*, which stands for it in *generation*."""
        self._servers.hand_over(_offer(server), generation)

    def _wrap(self, module: str, kind_name: str, name: str, wrapper: Callable[..., Any]) -> None:
        """Replace a method, if its module has been imported."""
        if module in sys.modules:
            self.patches.wrap(getattr(sys.modules[module], kind_name), name, wrapper)

    def _init_threaded(self, plain: Callable[..., None], server: Any, *args: Any, **kwargs: Any) -> None:
        """Make a server; one that is only to stand in starts no threads, which would stay when it goes."""
        maker = maker_of_this()
        if maker is not None and maker.load is not None:
            kwargs |= {"minSpare": 0, "maxSpare": 0}
        plain(server, *args, **kwargs)

    def _run(self, plain: Callable[[Any], bool], server: Any) -> bool:
        """Serve, and return whether SIGHUP ended that; in a later generation's script, wait until it retires."""
        maker = maker_of_this()
        if maker is not None and maker.load is not None:
            self.hand_over(server, maker)
            self._servers.park(maker)
            return False
        _tell_of_traps(server)
        server.application = self._servers.begin(self.host, _offer(server), maker)
        if not _forks(server):
            # A parent that forks has no threads of ours, so that each child begins in a sound state, and by itself.
            self.host.start()
        may_go_on = False
        try:
            may_go_on = plain(server)
        except TypeError as error:
            if isinstance(error.__context__, OSError):
                where = shown_address(server._bindAddress)
                say(f"flup cannot listen at {where}: {error.__context__}", logging.ERROR)
            raise
        finally:
            self._servers.end(server.application)
            # After SIGHUP the script may well start a server again.
            if not may_go_on and threading.current_thread() is threading.main_thread():
                self.host.end()
        return may_go_on

    def _run_once(self, plain: Callable[[Any], None], server: Any) -> None:
        say(NOTHING_TO_RELOAD, logging.WARNING)
        plain(server)


def _offer(server: Any) -> Offer:
    """Return what a server was made with; its number of threads, or of children, is that which it was told."""
    most = getattr(getattr(server, "_threadPool", None), "_maxThreads", None) or getattr(server, "_maxChildren", None)
    return Offer(server.application, server._bindAddress or "standard input", most)


def _forks(server: Any) -> bool:
    return hasattr(server, "_children")


def _is_cgi(server: Any) -> bool:
    """Tell whether a FastCGI server is to answer one request as a CGI program, and then end."""
    asked = os.environ.get("FCGI_FORCE_CGI", "").upper().startswith("Y")
    return server._bindAddress is None and (asked or getattr(server, "forceCGI", False)) and hasattr(server, "roles")


def _tell_of_traps(server: Any) -> None:
    """Say what flup is about to do that would look like our doing."""
    if _is_cgi(server):
        say(NOTHING_TO_RELOAD, logging.WARNING)
    elif server._bindAddress is None and not stat.S_ISSOCK(os.fstat(0).st_mode):
        lacks = "flup was given no bindAddress, and standard input is no socket"
        say(f"{lacks}: give it one, or have the front end start this program", logging.ERROR)
    if server.debug and importlib.util.find_spec("cgitb") is None:
        lacks = "flup's debug=True shows errors with the module cgitb, which this Python no longer has"
        say(f"{lacks}: a request that fails gets no answer; leave debug=False", logging.WARNING)


ADAPTER = FlupAdapter()
