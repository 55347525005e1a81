"""Adapters: what ponyreload knows about servers and libraries.

In: a `Host` (the reloader, as adapters see it), and what user scripts start. Out: for each server, one application that
routes to the newest generation; parked scripts; process-wide objects with contents for each generation.
"""

__all__ = ["adapter", "installed", "platforms"]
