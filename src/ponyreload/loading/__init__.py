"""Loading: one load of a generation, what is compiled before it, the adoption of generation 1, and the journal.

In: a new generation, the names of its entry modules, and the changed files. Out: a `Load` that is done, with or without
an error; the names of adopted modules; the files that do not compile; and for each load a `LoadRecord`, to listeners.
"""

__all__ = ["adoption", "journal", "late", "load", "precompiling"]
