"""Owners: which generation a thing belongs to that has been given to one of CherryPy's process-wide objects."""

from __future__ import annotations

from typing import Any

from ponyreload.generations.context import bind
from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import names_of
from ponyreload.ownership.makers import maker

__all__ = ["owner_of_given"]

# Code that only hands on what it was given. Sessions are not among it: the thread that cleans them up is the
# process's, also if it starts in a request.
THROUGH = ("cherrypy._cptools", "cherrypy.process", "ponyreload.adapters")


def owner_of_given(thing: Any) -> Generation | None:
    """Return the generation whose code *thing* is or carries, or else the one whose code gives it; None: neither."""
    owner = bind(names_of(thing, carried=True))
    by = maker(*THROUGH) if owner is None else None
    return owner if by is None else by.generation
