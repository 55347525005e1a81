"""Places: where a generation has its application, as an import string."""

from __future__ import annotations

import importlib
from typing import Any

from ponyreload.generations.context import active
from ponyreload.generations.generation import Generation
from ponyreload.interpreter.attributes import own_namespace

__all__ = ["at", "place_of", "resolve"]


def resolve(spec: str) -> Any:
    """Return the object that an import string such as ``"shop.wsgi:app"`` names.

    Raises:
        ImportError, AttributeError: As importing does.
    """
    name, _, path = spec.partition(":")
    found: Any = importlib.import_module(name)
    generation = active()
    if generation is not None:
        found = generation.modules.get(name, found)
    for part in path.split("."):
        found = getattr(found, part)
    return found


def place_of(app: object, generation: Generation) -> str | None:
    """Return an import string for the place where a user module of *generation* has *app*, or None."""
    for name, module in list(generation.modules.items()):
        for attribute, value in list((own_namespace(module) or {}).items()):
            if value is app:
                return f"{name}:{attribute}"
    return None


def at(place: str, generation: Generation) -> Any:
    name, _, path = place.partition(":")
    found: Any = generation.modules.get(name)
    for part in path.split("."):
        found = getattr(found, part, None)
    return found
