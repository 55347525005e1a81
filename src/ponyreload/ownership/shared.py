"""Shared: what a system module or `keep` holds serves all generations, whichever of them has made it."""

from __future__ import annotations

import functools
import gc
import sys
from collections.abc import Collection
from types import ModuleType
from typing import Any

from ponyreload.generations.owners import owner_of
from ponyreload.imports.names import unrouted_modules
from ponyreload.interpreter.attributes import own_namespace
from ponyreload.lifecycle.keeping import kept_objects

__all__ = ["is_shared"]

# A larger collection is data, and no place for a pool or a connection.
MOST_ENTRIES = 1000
Cached: type = type(functools.lru_cache(len))


def is_shared(thing: object) -> bool:
    """Tell whether *thing* is kept, or a system module has it as a global, in a collection or in an object.

    Takes some ten milliseconds in a large process.
    """
    if any(each is thing or any(part is thing for part in _contents(each)) for each in kept_objects()):
        return True
    for name, _, namespace in unrouted_modules():
        # The standard library has lists of all threads, of all child processes and the like.
        looks_inside = name.partition(".")[0] not in sys.stdlib_module_names
        for value in list(namespace.values()):
            if value is thing:
                return True
            if looks_inside and any(each is thing for each in _contents(value)):
                # What user code has put there in an object of its own is still its own.
                return owner_of(value) is None
    return False


def _contents(value: Any) -> Collection[Any]:
    """Return what a collection or an object holds. The object itself is not asked: it may be a proxy of anything."""
    kind = type(value)
    if issubclass(kind, ModuleType):
        return ()
    if kind is Cached:
        # Its results, which are held by links of its own if it keeps a limited number of them.
        found = [
            part for each in gc.get_referents(value) for part in (each.values() if type(each) is dict else (each,))
        ]
        return found + [
            part for each in found if type(each).__module__ == "functools" for part in gc.get_referents(each)
        ]
    if issubclass(kind, dict):
        return list(dict.values(value)) if dict.__len__(value) <= MOST_ENTRIES else ()
    if issubclass(kind, list | tuple | set | frozenset):
        return list(value) if kind.__len__(value) <= MOST_ENTRIES else ()
    return list((own_namespace(value) or {}).values())
