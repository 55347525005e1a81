"""First use: what CherryPy makes then, and keeps as an attribute of its module. Each generation makes its own.

These are `cherrypy._cache`, in which ``tools.caching`` keeps pages, and `cherrypy.session`: while that is not there,
the class of the sessions is set up.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, NoReturn

import cherrypy
from cherrypy.lib.caching import MemoryCache

from ponyreload.generations.contents import Contents
from ponyreload.generations.context import published
from ponyreload.generations.generation import Generation

__all__ = ["FIRST_USE", "FirstUse"]

NAMES = ("_cache", "session")


class FirstUse:
    """Routes these attributes of the module `cherrypy` to the active generation's."""

    def install(self) -> None:
        names = vars(cherrypy)
        self.own: Contents[dict[str, Any]] = Contents(dict, {name: names.pop(name) for name in NAMES if name in names})
        cherrypy.__class__ = RoutedCherryPy

    def uninstall(self) -> None:
        cherrypy.__class__ = ModuleType
        vars(cherrypy).update(self.own.of(published()))

    def retire(self, generation: Generation) -> None:
        """End the thread of the generation's cache, which otherwise runs for ever."""
        cache = self.own.of(generation).get("_cache")
        if isinstance(cache, MemoryCache):
            cache.expirations = Ended()


class Ended:
    """What a cache has for its expirations once its thread is to end: a thread may exit without a word."""

    def copy(self) -> NoReturn:
        raise SystemExit


class RoutedCherryPy(ModuleType):
    """The module `cherrypy`."""


def _routed(name: str) -> property:
    def get(module: Any) -> Any:  # noqa: ARG001 - the attribute is found by the generation
        try:
            return FIRST_USE.own.get()[name]
        except KeyError:
            raise AttributeError(f"module 'cherrypy' has no attribute {name!r}") from None

    def put(module: Any, value: Any) -> None:  # noqa: ARG001 - as above
        FIRST_USE.own.get()[name] = value

    def delete(module: Any) -> None:
        get(module)
        FIRST_USE.own.get().pop(name, None)

    return property(get, put, delete)


for _name in NAMES:
    setattr(RoutedCherryPy, _name, _routed(_name))


FIRST_USE = FirstUse()
