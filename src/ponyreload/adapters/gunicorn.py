"""gunicorn: its master imports or forks, and each worker serves; a worker's application is given to all generations."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from ponyreload.adapters.adapter import Adapter, Host
from ponyreload.adapters.servers import Offer, Servers

__all__ = ["ADAPTER", "GunicornAdapter"]

# The modules whose workers call a WSGI application, and their classes.
WORKERS = {
    "sync": ("SyncWorker",),
    "gthread": ("ThreadWorker",),
    "ggevent": ("GeventWorker",),
    "geventlet": ("EventletWorker",),
}


class GunicornAdapter(Adapter):
    """Wraps `run` of gunicorn's workers: by then the application has been loaded, and the worker has been forked."""

    def __init__(self) -> None:
        super().__init__()
        self._servers = Servers("gunicorn")

    def install(self, host: Host) -> None:
        self.host = host
        for name, classes in WORKERS.items():
            module = sys.modules.get(f"gunicorn.workers.{name}")
            for each in () if module is None else classes:
                self.patches.wrap(getattr(module, each), "run", self._run)

    def _run(self, plain: Callable[[Any], None], worker: Any) -> None:
        address = worker.sockets[0].getsockname()
        worker.wsgi = self._servers.begin(self.host, Offer(worker.wsgi, address, None, worker.app.load), None)
        self.host.start()
        plain(worker)


ADAPTER = GunicornAdapter()
