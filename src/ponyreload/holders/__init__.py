"""Holders: what keeps a retired generation in memory, found by a walk over all objects.

In: generations that have retired, and those that have not. Out: a `Holder` for each that is still in memory, with the
way to it in words; one report of each in the log.
"""

__all__ = ["remains", "retention", "roots", "search"]
