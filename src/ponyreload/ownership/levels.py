"""Levels: what a generation's code has set loggers to, and what they were before the generations."""

from __future__ import annotations

import logging
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from ponyreload.generations.context import published
from ponyreload.generations.generation import Generation
from ponyreload.ownership.makers import Maker, rows

__all__ = ["ATTRIBUTES", "Levels"]

# Of a logger: what it lets through, whether its parent's handlers get that too, and whether it is off.
ATTRIBUTES = ("level", "propagate", "disabled")


class Levels:
    """Keeps account of these attributes. There is one value for the process, so the newest one counts at once.

    Python keeps for each logger which levels pass, so a level of its own for each generation would cost every call
    of every logger. What a load sets is seen by the generation that serves too, until the load is published or fails.
    """

    def __init__(self) -> None:
        # <generation 3> -> {(<Logger shop>, "level"): (10, "shop.cart")}
        self._set: WeakKeyDictionary[Generation, dict[tuple[logging.Logger, str], tuple[Any, str | None]]]
        self._set = WeakKeyDictionary()
        # From before the generations:  (<Logger shop>, "level") -> 0
        self._before: dict[tuple[logging.Logger, str], Any] = {}
        self._over: WeakSet[Generation] = WeakSet()
        # The loggers that were there when the newest load began.
        self._known: set[str] = set()

    def begin(self) -> None:
        """Note which loggers there are before a load."""
        self._known = set(logging.root.manager.loggerDict)

    def set(self, by: Maker, logger: logging.Logger, name: str, value: Any, by_config: bool) -> bool:
        """Note that user code sets an attribute; tell whether it may.

        Args:
            by_config: Whether `logging.config` does so, to a logger that it was not told of.
        """
        now, generation = getattr(logger, name, None), by.generation
        if generation.abandoned or generation in self._over:
            return False
        in_load = generation.load is not None and not generation.published
        if in_load and by_config and name == "disabled" and value and not now and logger.name in self._known:
            # In a new process this logger would not be there yet. It is, because an earlier generation asked for it.
            return False
        key = logger, name
        if not any(key in several for _, several in rows(self._set)):
            self._before[key] = now
        self._set.setdefault(generation, {})[key] = value, by.module
        return True

    def published(self, generation: Generation) -> None:
        """Have back, of what older generations have set and *generation* has not, what was before."""
        mine = self._settled(generation)
        for other, several in rows(self._set):
            if other is not generation:
                for key, (value, _) in list(several.items()):
                    if key not in mine:
                        self._restore(key, value, None)

    def retire(self, generation: Generation) -> None:
        """Undo what *generation* has set and nobody has since."""
        self._over.add(generation)
        several = self._settled(generation)
        self._set.pop(generation, None)
        for key, (value, _) in several.items():
            # What a load has set meanwhile, perhaps to the same value, is its own.
            if not any(key in others and not other.published for other, others in rows(self._set)):
                self._restore(key, value, published())
            if not any(key in others for _, others in rows(self._set)):
                self._before.pop(key, None)

    def _settled(self, generation: Generation) -> dict[tuple[logging.Logger, str], tuple[Any, str | None]]:
        """Return what *generation* has set, without what a module has that has turned out to be a system module."""
        several = self._set.get(generation, {})
        for key, (_, module) in list(several.items()):
            if Maker(generation, module).is_of_process:
                del several[key]
                self._before.pop(key, None)
        return several

    def _restore(self, key: tuple[logging.Logger, str], value: Any, serving: Generation | None) -> None:
        """Set an attribute that still has *value* to what the generation that serves has set, or as it was before."""
        logger, name = key
        several = {} if serving is None else self._set.get(serving, {})
        wanted = several[key][0] if key in several else self._before.get(key)
        if getattr(logger, name, None) != value or wanted is None or wanted == value:
            return
        if name == "level":
            logger.setLevel(wanted)  # which also has all loggers ask anew what passes
        else:
            setattr(logger, name, wanted)
