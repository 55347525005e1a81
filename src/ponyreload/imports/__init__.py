"""Imports: each generation gets its own user modules, whichever way they are imported.

In: imports, look-ups in `sys.modules`, loads, options. Out: real modules for the code of a generation, routed modules
for all other code; which modules are user modules and why; what a library needs to be isolated.
"""

__all__ = [
    "advice", "byhand", "importing", "isolation", "loaders", "modules", "names", "reasons", "routed", "sharing",
    "specs",
]  # fmt: skip
