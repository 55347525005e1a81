"""Sessions in memory: they hold objects themselves, of the classes of the generation that put them there."""

from __future__ import annotations

import logging
import pickle
import weakref
from typing import Any

from cherrypy.lib.sessions import RamSession

from ponyreload.generations.context import entered, entered_generation
from ponyreload.generations.generation import Generation
from ponyreload.reporting import say

__all__ = ["SESSIONS", "Sessions"]


class Sessions:
    """Has a session's objects take the way a file would be, when another generation loads it than saved it."""

    def __init__(self) -> None:
        # Session id -> the generation that saved it. When that is gone, so are its objects.
        self._saved_by: dict[str, weakref.ref[Generation]] = {}

    def install(self) -> None:
        self._plain_load, self._plain_save = RamSession._load, RamSession._save

        def load(session: Any) -> Any:
            return self._load(session)

        def save(session: Any, expiration_time: Any) -> None:
            self._save(session, expiration_time)

        RamSession._load, RamSession._save = load, save

    def uninstall(self) -> None:
        RamSession._load, RamSession._save = self._plain_load, self._plain_save

    def _save(self, session: Any, expiration_time: Any) -> None:
        self._plain_save(session, expiration_time)
        generation = entered_generation()
        if generation is not None:
            self._saved_by[session.id] = weakref.ref(generation)
            for stale in self._saved_by.keys() - session.cache.keys():
                self._saved_by.pop(stale, None)

    def _load(self, session: Any) -> Any:
        found = self._plain_load(session)
        generation = entered_generation()
        saver = self._saved_by.get(session.id, lambda: None)()
        if found is None or generation is None or saver is None or saver is generation:
            return found
        data, expiration_time = found
        try:
            with entered(saver):
                pickled = pickle.dumps(data)
            return pickle.loads(pickled), expiration_time  # noqa: S301 - made a line above
        except Exception as error:
            text = f"a session keeps objects of generation {saver.number}, because they cannot be pickled: {error}"
            say(text, logging.WARNING)
            return found


SESSIONS = Sessions()
