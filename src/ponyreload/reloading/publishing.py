"""Publishing: a loaded generation becomes the one that serves, in one step."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ponyreload.generations.generation import Generation
from ponyreload.imports.sharing import take_over
from ponyreload.loading.load import Load
from ponyreload.reloading.application import Application
from ponyreload.reporting import say
from ponyreload.wsgi.slots import Leases, Slot

__all__ = ["Publishing"]


class Publishing:
    """Begins generations, fills the slots that servers hold, and publishes. Called from any thread.

    Args:
        application: What is reloaded.
        leases: What a new slot asks for leases.
    """

    def __init__(self, application: Application, leases: Leases) -> None:
        self._application = application
        self._leases = leases
        self._has_warned = False

    def begin(self) -> Generation:
        """Make the generation that is to be loaded next."""
        generation = self._application.living.begin()
        self._application.owned.begin(generation)
        return generation

    def slot(
        self,
        key: object,
        name: str,
        app: Any,
        filler: Generation,
        shared: bool = False,
        place: str | None = None,
        make: Callable[[], Any] | None = None,
    ) -> Slot:
        """Fill slot *key* in generation *filler* with *app*; return what a server is to hold.

        Args:
            key: What tells the slot from others, the same in each generation.
            name: How messages call it.
            app: The WSGI application.
            filler: The generation that made *app*.
            shared: Whether *app* serves every generation that does not fill the slot itself.
            place: Where to find the application of a generation that does not fill the slot itself.
            make: Makes the application of a later generation, at the end of its load.
        """
        filler.apps[key] = app
        made = Slot(self._leases, key, name, app if shared else None, place, make)
        with self._application.news:
            return self._application.slots.setdefault(key, made)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The applications that servers and middlewares hold."""
        with self._application.news:
            return tuple(self._application.slots.values())

    def fill(self, generation: Generation) -> None:
        """Make the applications of a generation that its modules do not make themselves; called in its load."""
        for slot in self.slots:
            slot.fill(generation)

    def publish(self, load: Load) -> None:
        """Make a loaded generation the one that serves.

        Raises:
            LookupError: A server holds an application that this generation does not have.
            RuntimeError: It has taken over modules that it cannot share.
            Exception: What the generation's own start listeners raise; the one before serves on.
        """
        application, generation = self._application, load.generation
        application.adapters.before_publish(generation)
        for slot in self.slots:
            slot.check(generation)
        if not take_over(application.serving, generation):
            raise RuntimeError("modules that it shares with the generation before have registered or imported more")
        # From here on nothing can fail.
        application.modules.sort_out(generation)
        with application.news:
            before = application.living.supersede(generation)
            application.error = None
        before.superseded.set()
        application.owned.published(generation)
        self._tell_of_unrouted()

    def _tell_of_unrouted(self) -> None:
        """Say once that a server goes on with the application that it was given, if no slot leads to a newer one."""
        servers = self._application.unrouted
        if servers and not self.slots and not self._has_warned:
            self._has_warned = True
            text = f"the server at {servers[0]} goes on to call the application that it was given, with the old code"
            way_out = "Serve AutoreloadMiddleware(application) if it is to be reloaded"
            say(f"{text}: nothing tells where a newer one is. {way_out}", logging.WARNING)
