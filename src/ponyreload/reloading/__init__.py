"""Reloading: a new generation is loaded when the files change, published in one step, and the one before retired.

`reloader` is the object that others talk to; `application` is the state; `updating` is the thread, which does one thing
after the other: `pacing` (when), `attempts` (load), `publishing`, `retiring`; `forking` is for forked processes.

In: what watching, loading, ownership and adapters know. Out: the generation that serves, its leases, errors.
"""

__all__ = ["application", "reloader"]
