"""Contents: what each generation has for itself of one thing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from ponyreload.generations.context import active, bind_in, calling_names

if TYPE_CHECKING:
    from ponyreload.generations.generation import Generation

__all__ = ["Contents", "early_contents"]

T = TypeVar("T")

# Those of generation 1, which are there before it.
early_contents: WeakKeyDictionary[Contents[Any], Any] = WeakKeyDictionary()


class Contents(Generic[T]):
    """What each generation has for itself of one thing.

    What there was before autoreload was turned on belongs to generation 1: *first*, if it is given. *make* makes
    the contents of a generation, on the first use in it. Safe to call from any thread: the one race, two threads of
    one generation at the first use, is settled by `setdefault`.
    """

    def __init__(self, make: Callable[[], T], *first: T) -> None:
        self._make = make
        for each in first:
            early_contents[self] = each

    def of(self, generation: Generation | None) -> T:
        """Return the contents of *generation*; those of the first one while autoreload is off."""
        table = early_contents if generation is None else generation.contents
        if generation is not None and generation.imports is not None:
            # What it puts in there, another generation has to put in for itself. Reading looks the same from here.
            bind_in(generation, calling_names())
        try:
            contents: T = table[self]
        except KeyError:
            contents = table.setdefault(self, self._make())
        return contents

    def get(self) -> T:
        """Return the contents of the active generation."""
        return self.of(active())
