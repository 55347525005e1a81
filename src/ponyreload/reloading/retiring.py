"""Retiring: a superseded generation whose last lease has ended is cleaned up after, and its memory goes."""

from __future__ import annotations

import logging
import threading
import time

from ponyreload.generations.generation import Generation
from ponyreload.interpreter.private import clear_caches
from ponyreload.lifecycle import keeping
from ponyreload.lifecycle.hooks import call_retire_hooks
from ponyreload.reloading.application import Application
from ponyreload.reporting import say

__all__ = ["Retiring"]

# Seconds that the clean-up of a script may take before it is left to itself.
END_SECONDS = 5.0


class Retiring:
    """Retires generations, and ends all of them at the end of the process. Called from any thread."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def retire(self, generation: Generation) -> None:
        """Let go of a superseded generation whose last lease has ended, or of one that will never be served.

        That runs code of the generation, which may take its time, so it has a thread of its own.
        """
        if not self._application.living.claim(generation):
            return
        generation.superseded.set()
        name = f"ponyreload retires {generation.number}"
        try:
            threading.Thread(target=self._retire, args=(generation,), name=name).start()
        except RuntimeError:  # Python is shutting down, and starts no more threads
            self._retire(generation)

    def _retire(self, generation: Generation) -> None:
        application = self._application
        try:
            application.adapters.retire(generation)
            call_retire_hooks(generation)
        finally:
            generation.retired.set()
            # The parked script's clean-up is code of the generation too.
            if generation.load is None or generation.load.join(END_SECONDS):
                generation.close_event_loop()
            application.owned.retire(generation)
            keeping.let_go(generation)
            clear_caches()
            application.living.remove(generation)
            application.modules.table.tidy()
        # What others may still hold of it stays sound: its modules keep their namespaces.
        generation.apps.clear()
        generation.hooks.clear()
        generation.contents.clear()
        application.retained.add(generation)
        with application.news:
            # Collected when there is time for that.
            application.collector.retired(application.living.last_request())
            application.news.notify_all()

    def end(self) -> None:
        """Let the parked scripts run their clean-up, and wait for it: the server has ended."""
        deadline = time.monotonic() + END_SECONDS
        living = self._application.living
        for generation in living.all():
            generation.superseded.set()
            if not living.claim(generation):  # it is retiring, or this is called once more
                generation.retired.wait(max(0.0, deadline - time.monotonic()))
            call_retire_hooks(generation)
            generation.retired.set()
            self._application.owned.end(generation)
        for generation in living.all():
            if generation.load is not None and not generation.load.join(max(0.0, deadline - time.monotonic())):
                name = f"generation {generation.number}{'' if generation.published else ', which was never served,'}"
                say(f"{name} did not end within {END_SECONDS} s: {generation.load.where()}", logging.WARNING)
            generation.close_event_loop()
