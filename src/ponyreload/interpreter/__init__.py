"""Interpreter: CPython itself. Frames, garbage collection, the GIL, the main thread, private names.

In: calls from any room above. Nothing here knows of generations or requests, except when they came or went.
Out: frames of threads and callers, times to collect garbage, calls made on the main thread, replaced attributes that
can be restored, and the private names of CPython or what stands in for them.
"""

__all__ = [
    "attributes", "collecting", "environment", "forklocks", "frames", "mainthread", "patches", "private", "starting",
    "turns",
]  # fmt: skip
