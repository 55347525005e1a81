"""The developer's tools of a process, as the middleware asks them."""

from __future__ import annotations

from collections.abc import Iterable

from ponyreload.devtools.access import Access
from ponyreload.devtools.routes import Routes
from ponyreload.journal import Journal

__all__ = ["Devtools"]


class Devtools:
    """What a browser gets besides the application's own answers.

    Attributes:
        routes: What answers below `/__ponyreload__/`.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.routes = Routes(Access())

    def trust(self, clients: Iterable[str], hosts: Iterable[str]) -> None:
        """Have clients and hosts trusted besides loopback ones."""
        self.routes.access = Access(clients, hosts)
