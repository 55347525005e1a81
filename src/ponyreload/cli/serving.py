"""Serving: the servers that the command line can run."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

from ponyreload.cli.addresses import LOOPBACK, Address
from ponyreload.cli.ending import Ending
from ponyreload.cli.problems import ServeError, UseError
from ponyreload.options.servers import TABLE
from ponyreload.project import HiddenError, own_imports

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["SERVERS", "Server", "serve"]

# Called with the address at which the server listens.
Ready = Callable[[Address], object]


class Server(NamedTuple):
    """A server.

    Sample row: ``Server("cheroot.wsgi", "cli", "http", 8080, _serve_cheroot)``.

    Attributes:
        module: The module to import.
        extra: The extra of ponyreload that installs it.
        protocol: What it speaks: ``"http"``, or what a front end speaks to it.
        port: Where it listens by default.
        serve: Serves until the server is stopped, and returns the exit status.
    """

    module: str
    extra: str
    protocol: str
    port: int
    serve: Callable[[Any, WSGIApplication, Address, Ready], int]

    def require(self) -> Any:
        """Import and return the module.

        Raises:
            UseError: It is not installed, or a file of the project is in its way.
        """
        try:
            with own_imports(self.module):
                return importlib.import_module(self.module)
        except HiddenError as error:
            raise UseError(str(error)) from None
        except ModuleNotFoundError as error:
            top = self.module.partition(".")[0]
            if error.name is None or error.name.partition(".")[0] != top:
                raise
            raise UseError(f"{top} is not installed: pip install 'ponyreload[{self.extra}]'") from None

    def address(self, text: str | None) -> Address:
        """Return the address that *text* names, or the default one.

        Raises:
            UseError: The address is not valid, or this server cannot listen there.
        """
        address = Address(LOOPBACK, self.port) if text is None else Address.parsed(text)
        if self.protocol == "ajp" and (address.path or address.is_ipv6):
            raise UseError(f"flup's AJP server cannot listen on {address}: expected a host name or an IPv4 address")
        return address


def serve(server: Server, app: WSGIApplication, address: Address, ready: Ready) -> int:
    """Serve *app* on the main thread until the server is stopped; return the exit status.

    Raises:
        ServeError: The server cannot listen there.
    """
    try:
        return server.serve(server.require(), app, address, ready)
    except OSError as error:
        raise ServeError(f"Cannot serve on {address}: {error.strerror or error}") from error


def _serve_cheroot(module: Any, app: WSGIApplication, address: Address, ready: Ready) -> int:
    server = module.Server(address.for_bind, app, shutdown_timeout=1)
    with Ending(server.stop) as ending:
        server.prepare()
        ready(address.bound(server.bind_addr))
        server.serve()
    return ending.status


def _serve_cherrypy(cherrypy: Any, app: WSGIApplication, address: Address, ready: Ready) -> int:
    from cherrypy._cpwsgi_server import CPWSGIServer

    # It would restart the process. The adapter turns it off, but with PONYRELOAD=off there is no adapter.
    cherrypy.engine.autoreload.unsubscribe()
    cherrypy.server.socket_host, cherrypy.server.socket_port = address.host or None, address.port or None
    cherrypy.server.bind_addr = address.for_bind
    cherrypy.server.shutdown_timeout = 1
    server = CPWSGIServer(cherrypy.server)
    server.wsgi_app = app
    cherrypy.server.httpserver = server
    with Ending(cherrypy.engine.exit) as ending:
        cherrypy.engine.start()
        ready(address.bound(server.bind_addr))
        cherrypy.engine.block()
    return ending.status


def _serve_flup(module: Any, app: WSGIApplication, address: Address, ready: Ready) -> int:
    ending = Ending(lambda: None)

    class WSGIServer(module.WSGIServer):  # type: ignore[misc]
        """Reports where it listens, and which signal stopped it."""

        def _setupSocket(self) -> Any:  # noqa: N802 - flup's
            sock = super()._setupSocket()
            ready(address.bound(sock.getsockname()))
            return sock

        def _intHandler(self, number: int, frame: FrameType | None) -> None:  # noqa: N802 - flup's
            ending.begin(number)
            super()._intHandler(number, frame)

        _hupHandler = _intHandler  # noqa: N815 - the terminal is gone: stop, do not restart

    bind = (address.host, address.port, 0, 0) if address.is_ipv6 else address.for_bind
    WSGIServer(app, bindAddress=bind).run()
    return ending.status


# How each server that the table names for the command line is run; the first one is the default.
RUN: dict[str, tuple[str, str, int, Callable[..., int]]] = {
    "cheroot": ("cli", "http", 8080, _serve_cheroot),
    "cherrypy": ("cherrypy", "http", 8080, _serve_cherrypy),
    "flup-fcgi": ("flup", "fastcgi", 9000, _serve_flup),
    "flup-scgi": ("flup", "scgi", 4000, _serve_flup),
    "flup-ajp": ("flup", "ajp", 8009, _serve_flup),
}
MODULES = {name: module for library in TABLE for name, module in library.run.items()}
SERVERS = {name: Server(MODULES[name], *how) for name, how in RUN.items()}
