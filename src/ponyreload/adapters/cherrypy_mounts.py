"""Mounts: `cherrypy.tree`, on which each generation has applications of its own."""

from __future__ import annotations

import logging
from typing import Any

import cherrypy
from cherrypy._cptree import Tree

from ponyreload.generations import Contents, Generation, published

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

    def retire(self, generation: Generation) -> None:
        """Have logging forget the two loggers of each application, named after its id, which it would keep for ever."""
        for app in self.own.of(generation).values():
            for log in (getattr(getattr(app, "log", None), kind, None) for kind in ("error_log", "access_log")):
                if log is not None:
                    logging.Logger.manager.loggerDict.pop(log.name, None)


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
