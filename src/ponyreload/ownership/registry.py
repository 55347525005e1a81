"""One table of classes and functions, as it was before a load and before the generations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import is_of, owner_of

__all__ = ["Registry"]

MISSING = object()


class Registry:
    """A table of classes and functions, as it was before a load and before the generations.

    Args:
        table: The table itself:  <class Order> -> <function reduce_order>
        changed: Called when it has been changed here.
    """

    def __init__(self, table: dict[Any, Any], changed: Callable[[], object] = lambda: None) -> None:
        self._table = table
        self._changed = changed
        self._before_load: dict[Any, Any] = {}
        # For what is no generation's, what stood there before the generations, or MISSING.
        self._first: dict[Any, Any] = {}

    def begin(self) -> None:
        """Note what is there."""
        self._before_load = dict(self._table)

    def keep(self) -> None:
        """Note what the load has put in the place of something that is no generation's."""
        before, self._before_load = self._before_load, {}
        for key, value in list(self._table.items()):
            old = before.get(key, MISSING)
            if old is not value and owner_of(value) is not None and (old is MISSING or owner_of(old) is None):
                self._first.setdefault(key, old)

    def restore(self, generation: Generation) -> None:
        """Have what was there before in the place of what has classes or functions of *generation*."""
        before, self._before_load = self._before_load, {}
        if _take_out(self._table, generation, before):
            self._changed()

    def retire(self, generation: Generation) -> None:
        """Take away what has classes or functions of *generation*."""
        # A load that is busy is not to bring it back.
        _take_out(self._before_load, generation, self._first)
        if _take_out(self._table, generation, self._first):
            self._changed()
        for key in list(self._first):
            if owner_of(self._table.get(key)) is None:
                self._first.pop(key, None)


def _take_out(table: dict[Any, Any], generation: Generation, before: dict[Any, Any]) -> bool:
    """Put what was there before in the place of what a generation has registered; tell whether there was something."""
    found = False
    for key, value in list(table.items()):
        is_its_own = any(is_of(each, generation) for each in (key if issubclass(type(key), tuple) else (key,)))
        if is_its_own or owner_of(value) is generation:
            found = True
            old = MISSING if is_its_own else before.get(key, MISSING)
            if old is MISSING:
                table.pop(key, None)
            else:
                table[key] = old
    return found
