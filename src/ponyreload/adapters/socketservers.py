"""Socket servers: those of wsgiref and werkzeug, which Python's `socketserver` runs. Later scripts are parked there."""

from __future__ import annotations

import logging
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from ponyreload.adapters.adapter import Adapter, Host
from ponyreload.adapters.servers import Offer
from ponyreload.adapters.standins import StandIns
from ponyreload.generations.generation import Generation
from ponyreload.interpreter.private import imported
from ponyreload.loading.load import load_of_this_thread
from ponyreload.reporting import say

__all__ = ["ADAPTER", "SocketServersAdapter"]


class SocketServersAdapter(Adapter):
    """Wraps `wsgiref.simple_server.WSGIServer` and `werkzeug.serving.BaseWSGIServer`, with their subclasses.

    Both look up their application for each request.
    """

    def __init__(self) -> None:
        super().__init__()
        self._stand_ins = StandIns("socketserver")
        # Where a script wanted its server:  <WSGIServer> -> ("", 8080); it listens at ("0.0.0.0", 8080).
        self._wanted: WeakKeyDictionary[Any, object] = WeakKeyDictionary()

    def install(self, host: Host) -> None:
        self.host = self._stand_ins.host = host
        wsgiref = imported("wsgiref.simple_server")
        werkzeug = imported("werkzeug.serving")
        werkzeug_reloader = imported("werkzeug._reloader")
        # The base class of both: a subclass may bind in a way of its own.
        self.patches.wrap(socketserver.TCPServer, "server_bind", self._bind)
        self.patches.wrap(socketserver.TCPServer, "server_activate", self._activate)
        if wsgiref is not None:
            self.patches.wrap(wsgiref.WSGIServer, "__init__", self._init)
            self.patches.wrap(wsgiref.WSGIServer, "server_bind", self._bind_wsgiref)
            self._wrap_ways_to_serve(wsgiref.WSGIServer)
        if werkzeug is not None:
            self.patches.wrap(werkzeug.BaseWSGIServer, "__init__", self._init_werkzeug)
            self.patches.wrap(werkzeug, "_log", _log)
            self._wrap_ways_to_serve(werkzeug.BaseWSGIServer)
        if werkzeug_reloader is not None:
            self.patches.wrap(werkzeug_reloader, "run_with_reloader", _run_with_reloader)

    def _wrap_ways_to_serve(self, kind: type) -> None:
        self.patches.wrap(kind, "serve_forever", self._serve)
        self.patches.wrap(kind, "handle_request", self._handle_request)
        self.patches.wrap(kind, "shutdown", self._shutdown)
        self.patches.wrap(kind, "server_close", self._close)

    # -- making a server -------------------------------------------------------------------------------------

    def _init(self, plain: Callable[..., None], server: Any, *args: Any, **kwargs: Any) -> None:
        self._stand_ins.note(server)
        plain(server, *args, **kwargs)

    def _bind(self, plain: Callable[[Any], None], server: Any) -> None:
        """Bind the socket of a server that is to run; give one that stands in the address that it would have."""
        wanted = self._wanted[server] = server.server_address
        if not self._stand_ins.stands_in(server, wanted):
            plain(server)
            return
        running = self._stand_ins.running_at(wanted)
        server.server_address = wanted if running is None else running.server_address

    def _bind_wsgiref(self, plain: Callable[[Any], None], server: Any) -> None:
        """Do the same, with what wsgiref wants to know besides; the name of the host may take long to find out."""
        if not self._stand_ins.stands_in(server, server.server_address):
            plain(server)
            return
        socketserver.TCPServer.server_bind(server)
        self._give_names(server)
        server.setup_environ()

    def _activate(self, plain: Callable[[Any], None], server: Any) -> None:
        if server not in self._stand_ins:
            plain(server)

    def _give_names(self, server: Any) -> None:
        running = self._stand_ins.running_at(self._wanted[server])
        if isinstance(server.server_address, tuple):
            host, port = server.server_address[:2]
            server.server_name, server.server_port = getattr(running, "server_name", host), port

    def _init_werkzeug(
        self, plain: Callable[..., None], server: Any, host: str, port: int, app: Any, *args: Any, **kwargs: Any
    ) -> None:
        """Make a server of werkzeug's; one that stands in is given a socket, so that it makes none and binds none."""
        wanted = self._wanted[server] = host if host.startswith("unix://") else (host, port)
        self._stand_ins.note(server, app)
        if not self._stand_ins.stands_in(server, wanted):
            plain(server, host, port, app, *args, **kwargs)
            return
        family = sys.modules["werkzeug.serving"].select_address_family(host, port)
        with socket.socket(family) as unbound:
            # It is the fourth of the positional arguments after the application.
            plain(server, host, port, app, *args[:3], **kwargs | {"fd": unbound.fileno()})
        server.server_address = wanted
        socketserver.TCPServer.server_bind(server)
        self._give_names(server)
        server.port = getattr(server, "server_port", port)

    # -- serving ---------------------------------------------------------------------------------------------

    def _serve(self, plain: Callable[..., None], server: Any, *args: Any, **kwargs: Any) -> None:
        """Serve; or, in a later generation's script, wait until that generation retires."""
        generation = self._stand_ins.loading(server)
        if generation is not None:
            self._park(server, generation)
            return
        self._begin(server)
        try:
            plain(server, *args, **kwargs)
        finally:
            if self._stand_ins.end(server) and threading.current_thread() is threading.main_thread():
                self.host.end()

    def _handle_request(self, plain: Callable[[Any], None], server: Any) -> None:
        """Serve one request: a script may well do so in a loop. In a later one's loop the first is the last."""
        generation = self._stand_ins.loading(server)
        if generation is not None:
            self._park(server, generation)
            return
        self._begin(server)
        plain(server)

    def _park(self, server: Any, generation: Generation) -> None:
        if server in self._stand_ins:
            server.socket.close()  # many scripts leave that to the end of the process
        self._stand_ins.hand_over(self._offer(server), generation)
        self._stand_ins.park(generation)

    def _begin(self, server: Any) -> None:
        holder = server
        if self._stand_ins.maker_of(server) is None:
            # Flask's command line has its debugger around the application, which is what user modules have.
            while type(getattr(holder, "app", None)).__module__.startswith("werkzeug."):
                holder = holder.app
        offer = self._offer(server)._replace(app=getattr(holder, _name(server)), make=_maker_of_flask())
        setattr(holder, _name(server), self._stand_ins.begin(server, offer))
        # Also if it forks for each request: the parent loads once for all its children.
        self.host.start()

    def _shutdown(self, plain: Callable[[Any], None], server: Any) -> None:
        """End serving; what stands in for a server passes that on, while its generation serves."""
        generation = self._stand_ins.loading(server)
        if generation is None:
            plain(server)
        elif generation.published and not generation.retired.is_set():
            running = self._stand_ins.running_at(self._wanted.get(server))
            if running is not None:
                running.shutdown()

    def _close(self, plain: Callable[[Any], None], server: Any) -> None:
        self._stand_ins.end(server)
        plain(server)

    def _offer(self, server: Any) -> Offer:
        wanted = self._wanted.get(server, server.server_address)
        return Offer(getattr(server, _name(server)), wanted, _threads(server))


def _maker_of_flask() -> Callable[[], Any] | None:
    """Return what makes the application again that `flask run` has made, if that is what is running here."""
    cli, click = sys.modules.get("flask.cli"), sys.modules.get("click")
    context = None if cli is None or click is None else click.get_current_context(silent=True)
    given = None if cli is None or context is None else context.find_object(cli.ScriptInfo)
    if cli is None or given is None:
        return None
    return lambda: cli.ScriptInfo(given.app_import_path, given.create_app, given.set_debug_flag).load_app()


def _name(server: Any) -> str:
    """Return the name of the attribute that has the application."""
    werkzeug = imported("werkzeug.serving")
    return "app" if werkzeug is not None and isinstance(server, werkzeug.BaseWSGIServer) else "application"


def _threads(server: Any) -> object:
    kinds = type(server).__mro__
    if socketserver.ThreadingMixIn in kinds:
        return "one for each request"
    if getattr(socketserver, "ForkingMixIn", None) in kinds:
        return f"one in each of {server.max_children} processes"
    return 1


def _log(plain: Callable[..., None], *args: Any, **kwargs: Any) -> None:
    """Log what werkzeug's server does; but not that one starts, when it only stands in."""
    if load_of_this_thread() is None:
        plain(*args, **kwargs)


def _run_with_reloader(plain: Callable[..., None], main: Callable[[], None], *args: Any, **kwargs: Any) -> None:
    """Run werkzeug's reloader; but not if a script comes to ask for it while we reload that."""
    if load_of_this_thread() is None:
        plain(main, *args, **kwargs)
        return
    text = "use_reloader=True (Flask's debug=True means it) asks for werkzeug's reloader"
    say(f"{text}: restart to apply it; until then nothing changes", logging.WARNING)
    main()


ADAPTER = SocketServersAdapter()
