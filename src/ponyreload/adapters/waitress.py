"""waitress: one server for each address and all generations. Later scripts make stand-ins, and are parked there."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

from ponyreload.adapters.adapter import Adapter, Host
from ponyreload.adapters.servers import Offer
from ponyreload.adapters.standins import StandIns
from ponyreload.interpreter.private import imported

__all__ = ["ADAPTER", "WaitressAdapter"]


class WaitressAdapter(Adapter):
    """Wraps the classes of `waitress.server`, which `waitress.serve` uses.

    There is one `BaseWSGIServer` for each address; all those of a call share their threads. It looks up its
    application for each request, but has it wrapped when it is made, so that is where it changes hands.
    """

    def __init__(self) -> None:
        super().__init__()
        self._stand_ins = StandIns("waitress")

    def install(self, host: Host) -> None:
        self.host = self._stand_ins.host = host
        module = imported("waitress.server")
        if module is not None:
            self.patches.wrap(module.BaseWSGIServer, "__init__", self._init)
            self.patches.wrap(module.BaseWSGIServer, "run", self._run)
            self.patches.wrap(module.MultiSocketServer, "run", self._run)

    def _init(
        self,
        plain: Callable[..., None],
        server: Any,
        application: Any,
        map: Any = None,
        _start: bool = True,
        _sock: Any = None,
        dispatcher: Any = None,
        adj: Any = None,
        sockinfo: Any = None,
        bind_socket: bool = True,
        **more: Any,
    ) -> None:
        """Make a server for one address; one that stands in gets a socket of its own, which stays as it is."""
        module = sys.modules["waitress.server"]
        adj = adj or module.Adjustments(**more)
        sockinfo = sockinfo or adj.listen[0]
        offer = Offer(application, adj.unix_socket or sockinfo[3][:2], adj.threads)
        self._stand_ins.note(server, application)
        if not self._stand_ins.stands_in(server, offer.address):
            application = self._stand_ins.begin(server, offer)
            plain(server, application, map, _start, _sock, dispatcher, adj, sockinfo, bind_socket)
            return
        generation = self._stand_ins.loading(server)
        assert generation is not None
        self._stand_ins.hand_over(offer, generation)
        # Its threads may have been started by now, and are not to stay.
        dispatcher = dispatcher or module.ThreadedTaskDispatcher()
        dispatcher.set_thread_count(0)
        plain(server, application, map, False, None, dispatcher, adj, sockinfo, False)
        running = self._stand_ins.running_at(offer.address)
        if running is not None:
            server.effective_host, server.effective_port = running.effective_host, running.effective_port

    def _run(self, plain: Callable[[Any], None], server: Any) -> None:
        """Serve; or, in a later generation's script, wait until that generation retires."""
        members = _members(server)
        generation = self._stand_ins.loading(members[0] if members else server)
        if generation is not None:
            for each in members:
                if each in self._stand_ins:
                    each.close()
            self._stand_ins.park(generation)
            return
        self.host.start()
        try:
            plain(server)
        finally:
            ours = [self._stand_ins.end(each) for each in members]
            if any(ours) and threading.current_thread() is threading.main_thread():
                self.host.end()


def _members(server: Any) -> list[Any]:
    """Return the servers, one for each address, that *server* consists of."""
    module = sys.modules["waitress.server"]
    if isinstance(server, module.BaseWSGIServer):
        return [server]
    return [each for each in server.map.values() if isinstance(each, module.BaseWSGIServer)]


ADAPTER = WaitressAdapter()
