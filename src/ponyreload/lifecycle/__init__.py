"""Lifecycle: how user code takes part in the life of its generation.

In: functions to call at a reload or a retirement, objects to keep or to have for each generation, and the times when a
generation is replaced, retires, or the process ends. Out: these calls, these objects, and whether code is superseded.
"""

__all__ = ["hooks", "keeping", "per_generation"]
