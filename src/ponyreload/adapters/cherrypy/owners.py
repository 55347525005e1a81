"""Owners: which generation a thing belongs to that has been given to one of CherryPy's process-wide objects."""

from __future__ import annotations

import sys
from typing import Any

from ponyreload.generations.context import MARK
from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import owner_of

__all__ = ["owner_of_given"]

# Code that only hands on what it was given. Sessions are not among it: the thread that cleans them up is the
# process's, also if it starts in a request.
CARRIERS = ("cherrypy._cptools", "cherrypy.process.", "ponyreload.adapters.")


def owner_of_given(thing: Any) -> Generation | None:
    """Return the generation whose code *thing* carries, or else the one whose code is giving it now; None: neither."""
    owner = owner_of(thing)
    if owner is None:
        frame = sys._getframe(1)
        while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith(CARRIERS):
            frame = frame.f_back
        owner = frame.f_globals.get(MARK)
    return owner
