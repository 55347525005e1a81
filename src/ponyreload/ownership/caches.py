"""Caches of the standard library that hold classes, and let go of those of a retired generation."""

from __future__ import annotations

import sys
import typing

__all__ = ["clear_caches"]

# Of inspect, by version: method orders of the classes that were looked at.
INSPECT_CACHES = ("_shadowed_dict_from_mro_tuple", "_shadowed_dict_from_weakref_mro_tuple")


def clear_caches() -> None:
    """Empty the caches of the standard library that hold classes: ``Optional[Order]`` keeps `Order` in one.

    There is no public way. A version that names them otherwise keeps its caches; a test of what we assume of
    Python tells.
    """
    for clear in getattr(typing, "_cleanups", ()):
        clear()
    inspect = sys.modules.get("inspect")
    for name in INSPECT_CACHES:
        cache = getattr(inspect, name, None)
        if cache is not None:
            cache.cache_clear()
