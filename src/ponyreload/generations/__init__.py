"""Generations: sets of user modules that are loaded, served and retired together.

In: code that asks where it runs, requests that take a lease, things of which somebody asks whose code they are.
Out: the `Generation` of that code or thing, what each generation has for itself, the generation that serves and those
that live, and the report of a load that failed.
"""

__all__ = ["contents", "context", "failures", "generation", "lease", "living", "owners"]
