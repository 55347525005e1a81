"""WSGI: how a request gets its generation, and keeps it to the last byte of its answer.

In: a request from a server, leases (from `reloading`), the developer's tools (from `devtools`), each behind a protocol.
Out: the answer of the application of one generation; which requests hold a superseded one.
"""

__all__ = ["places", "requests", "slots", "tools"]
