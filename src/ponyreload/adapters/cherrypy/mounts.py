"""Mounts: `cherrypy.tree`, on which each generation has applications of its own, besides those of system modules."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import cherrypy
from cherrypy._cptree import Tree

from ponyreload.generations.contents import Contents
from ponyreload.generations.context import MARK, calling, entered_generation, published
from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import owner_of
from ponyreload.interpreter.frames import callers
from ponyreload.reporting import say

__all__ = ["MOUNTS", "Mounts"]


class Mounter(NamedTuple):
    """The user code that has mounted something: ``Mounter("shop", "main")``, or ``Mounter("shop", "<module>")``."""

    module: str
    function: str


class Mounts:
    """Routes `cherrypy.tree.apps` to the active generation's."""

    def install(self) -> None:
        # Mount point -> application:  "/shop" -> <cherrypy.Application>
        first: dict[str, Any] = cherrypy.tree.__dict__.pop("apps")
        self.own = Contents(self.shared, first)
        self._mounters: Contents[set[Mounter]] = Contents(set)
        # What there was before autoreload, and may be of generation 1; what system modules have mounted since.
        self._early = dict(first)
        self._of_process: dict[str, Any] = {}
        cherrypy.tree.__class__ = RoutedTree

    def uninstall(self) -> None:
        cherrypy.tree.__class__ = Tree
        cherrypy.tree.apps = self.own.of(published())

    def note(self, path: str) -> None:
        """Note that an application has been mounted: by a system module, if user code is not running here."""
        if entered_generation() is None and calling() is None:
            self._of_process[path] = self.own.get()[path]
            return
        code = next((each for each in callers() if MARK in each.f_globals), None)
        if code is not None:
            self._mounters.get().add(Mounter(str(code.f_globals.get("__name__")), code.f_code.co_name))

    def check(self, serving: Generation, generation: Generation) -> None:
        """Compare what a loaded generation has mounted with what serves.

        Raises:
            LookupError: It has nothing, because no code was run that mounts.
        """
        shared = self.shared()
        if not (self.own.of(serving).keys() - shared.keys()) or self.own.of(generation).keys() - shared.keys():
            return
        mounters = self._mounters.of(serving)
        tops = {each.module for each in mounters if each.function == "<module>"}
        text = f"generation {generation.number} mounts no application on cherrypy.tree"
        if "__main__" in generation.modules or not tops.isdisjoint(generation.modules):
            say(text, logging.WARNING)
            return
        what = " or ".join(sorted(f"{each.function}() of {each.module}" for each in mounters)) or "what mounted before"
        way_out = "Call it where a module that is reloaded is imported, or in a script that calls use_autoreload()"
        raise LookupError(f"{text}: {what} was not run. {way_out}")

    def shared(self) -> dict[str, Any]:
        """Return what is there for every generation."""
        # Whose code is whose is known once generation 1 has been adopted.
        self._early = {path: app for path, app in self._early.items() if owner_of(app, carried=True) is None}
        return {**self._early, **self._of_process}


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

    def mount(self, root: Any, script_name: str = "", config: Any = None) -> Any:
        app = super().mount(root, script_name, config)
        MOUNTS.note(app.script_name)
        return app

    def graft(self, wsgi_callable: Any, script_name: str = "") -> None:
        super().graft(wsgi_callable, script_name)
        MOUNTS.note(script_name.rstrip("/"))


MOUNTS = Mounts()
