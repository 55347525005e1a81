"""Remains: what may be left in memory of a generation that has retired."""

from __future__ import annotations

import time
import weakref
from collections.abc import Mapping
from typing import Any

from ponyreload.generations.context import MARK
from ponyreload.generations.generation import Generation
from ponyreload.interpreter.attributes import module_of, namespace_of_class, own_namespace

__all__ = ["Remains"]


class Remains:
    """What may be left of a retired generation: the generation itself, or some of its classes.

    A class whose body has no function, as of a NamedTuple, an Enum or an exception, leads to no module. Who keeps such
    a class, or an object of it, keeps nothing else. It keeps neither the generation nor the classes.

    Attributes:
        number, published, published_at, superseded_at: As of the generation.
        at: When it retired, on the monotonic clock.
        is_reported: Whether what keeps it in memory has been reported.
        modules, shared, load: What a generation that is gone has of these: nothing.
    """

    modules: Mapping[str, Any] = {}
    shared: frozenset[str] = frozenset()
    load = None

    def __init__(self, generation: Generation) -> None:
        self.number = generation.number
        self.published = generation.published
        self.published_at = generation.published_at
        self.superseded_at = generation.superseded_at
        self.at = time.monotonic()
        self.is_reported = False
        self._generation = weakref.ref(generation)
        self._classes = [weakref.ref(each) for each in _classes_of(generation)]

    def generation(self) -> Generation | None:
        """Return the generation, if it is in memory."""
        return self._generation()

    def in_memory(self) -> list[object]:
        """Return the generation if it is in memory, else those of its classes that are."""
        generation = self._generation()
        if generation is not None:
            return [generation]
        return [each for reference in self._classes if (each := reference()) is not None]


def _classes_of(generation: Generation) -> list[type]:
    """Return the classes that stand in the modules of a generation, and in classes there."""
    found: dict[int, type] = {}
    for name, module in list(generation.modules.items()):
        namespace = own_namespace(module)
        if namespace is not None and namespace.get(MARK) is generation:  # or a newer one has the module too
            spaces: list[Any] = [namespace]
            while spaces:
                for value in list(spaces.pop().values()):
                    if issubclass(type(value), type) and module_of(value) == name and id(value) not in found:
                        found[id(value)] = value
                        spaces.append(namespace_of_class(value))
    return list(found.values())
