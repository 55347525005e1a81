"""Mounts: `cherrypy.tree`, on which each generation has applications of its own."""

from __future__ import annotations

from typing import Any

import cherrypy
from cherrypy._cptree import Tree

from ponyreload.generations import Contents, published

__all__ = ["MOUNTS", "Mounts"]


class Mounts:
    """Routes `cherrypy.tree.apps` to the active generation's."""

    def install(self) -> None:
        # Mount point -> application:  "/shop" -> <cherrypy.Application>
        self.own: Contents[dict[str, Any]] = Contents(dict, cherrypy.tree.__dict__.pop("apps"))
        cherrypy.tree.__class__ = RoutedTree

    def uninstall(self) -> None:
        cherrypy.tree.__class__ = Tree
        cherrypy.tree.apps = self.own.of(published())


class RoutedTree(Tree):  # type: ignore[misc]
    """`cherrypy.tree`: the mounts are those of the active generation."""

    @property
    def apps(self) -> dict[str, Any]:
        return MOUNTS.own.get()

    @apps.setter
    def apps(self, apps: dict[str, Any]) -> None:
        own = MOUNTS.own.get()
        own.clear()
        own.update(apps)


MOUNTS = Mounts()
