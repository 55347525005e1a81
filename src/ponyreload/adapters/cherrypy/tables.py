"""Tables: dictionaries that CherryPy has as attributes of its classes. Each generation has rows of its own in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cherrypy
from cherrypy import _cpconfig
from cherrypy._cpreqbody import Entity
from cherrypy._cprequest import Request
from cherrypy._cpwsgi import CPWSGIApp
from cherrypy.lib.reprconf import NamespaceSet

from ponyreload.adapters.cherrypy.owners import owner_of_given
from ponyreload.generations.contents import Contents
from ponyreload.generations.context import published
from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import owner_of

__all__ = ["TABLES", "RoutedTable", "Tables"]

PLACES: tuple[tuple[Any, str], ...] = (
    (cherrypy.Application, "toolboxes"),
    (cherrypy.Application, "namespaces"),
    (cherrypy.Application, "config"),
    (Request, "namespaces"),
    (Request, "error_page"),
    (Entity, "processors"),
    (CPWSGIApp, "config"),
    (_cpconfig.Config, "environments"),
    (_cpconfig, "environments"),  # the same dictionary
)


class RoutedTable(dict):  # type: ignore[type-arg]
    """Such a dictionary: the plain one has the rows for all generations, and each generation has its own besides.

    Each request copies most of these, or goes through them, and gets one dictionary of both kinds of rows for that.
    """

    kind: type[dict[Any, Any]] = dict

    def __init__(self, plain: dict[Any, Any]) -> None:
        super().__init__()
        self.plain = plain
        self.own: Contents[dict[Any, Any]] = Contents(dict)

    def merged(self) -> dict[Any, Any]:
        """Return the rows for the active generation."""
        rows = self.kind(self.plain)
        rows.update(self.own.get())
        return rows

    def claim(self, first: Generation) -> None:
        """Give generation 1 what its code had entered before autoreload was turned on."""
        for key, value in list(self.plain.items()):
            if owner_of(value, carried=True) is first:
                # There first, gone here second: a request looks in both places.
                self.own.of(first)[key] = value
                self.plain.pop(key, None)

    def __setitem__(self, key: Any, value: Any) -> None:
        owner = owner_of_given(value)
        rows = self.plain if owner is None else self.own.of(owner)
        rows[key] = value

    def __delitem__(self, key: Any) -> None:
        own = self.own.get()
        del (own if key in own else self.plain)[key]

    def setdefault(self, key: Any, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def update(self, *rows: Any, **more: Any) -> None:
        for key, value in dict(*rows, **more).items():
            self[key] = value

    def pop(self, key: Any, *default: Any) -> Any:
        own = self.own.get()
        return (own if key in own else self.plain).pop(key, *default)

    def clear(self) -> None:
        for key in list(self):
            del self[key]

    def copy(self) -> dict[Any, Any]:
        return self.merged()

    __copy__ = copy


def _read(name: str) -> Callable[..., Any]:
    def method(self: RoutedTable, *args: Any) -> Any:
        return getattr(self.merged(), name)(*args)

    method.__name__ = name
    return method


for _name in (
    *("__call__", "__contains__", "__eq__", "__getitem__", "__iter__", "__len__", "__ne__", "__or__", "__repr__"),
    *("__reversed__", "__ror__", "get", "items", "keys", "values"),
):
    setattr(RoutedTable, _name, _read(_name))


class RoutedNamespaces(RoutedTable, NamespaceSet):  # type: ignore[misc]
    """The same for handlers of settings, by their namespace."""

    kind = NamespaceSet


class Tables:
    """Puts such tables in the place of the dictionaries."""

    def install(self) -> None:
        self._tables: dict[int, RoutedTable] = {}
        self._plain: list[tuple[Any, str, dict[Any, Any]]] = []
        for holder, name in PLACES:
            plain = vars(holder)[name]
            self._plain.append((holder, name, plain))
            kind = RoutedNamespaces if isinstance(plain, NamespaceSet) else RoutedTable
            setattr(holder, name, self._tables.setdefault(id(plain), kind(plain)))

    def uninstall(self) -> None:
        for holder, name, plain in self._plain:
            plain.update(vars(holder)[name].own.of(published()))
            setattr(holder, name, plain)

    def claim(self, first: Generation) -> None:
        """Give generation 1 what its code had entered before autoreload was turned on."""
        for table in self._tables.values():
            table.claim(first)


TABLES = Tables()
