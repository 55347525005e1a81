"""Tools: `cherrypy.tools`, in which each generation has those that its code made, besides CherryPy's."""

from __future__ import annotations

from typing import Any

import cherrypy
from cherrypy._cptools import Toolbox

from ponyreload.adapters.cherrypy.owners import owner_of_given
from ponyreload.generations.contents import Contents
from ponyreload.generations.context import published
from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import owner_of

__all__ = ["TOOLS", "Tools"]


class Tools:
    """Routes `cherrypy.tools` to the active generation's tools first, and to CherryPy's own second."""

    def install(self) -> None:
        self.own: Contents[Any] = Contents(lambda: Toolbox("tools"))
        cherrypy.tools.__class__ = RoutedToolbox

    def uninstall(self) -> None:
        cherrypy.tools.__class__ = Toolbox
        for name, tool in vars(self.own.of(published())).items():
            setattr(cherrypy.tools, name, tool)

    def claim(self, first: Generation) -> None:
        """Give generation 1 the tools that its code had made before autoreload was turned on."""
        for name, tool in list(object.__getattribute__(cherrypy.tools, "__dict__").items()):
            if owner_of(tool, carried=True) is first:
                # There first, gone here second: a request looks in both places.
                setattr(self.own.of(first), name, tool)
                object.__delattr__(cherrypy.tools, name)


class RoutedToolbox(Toolbox):  # type: ignore[misc]
    """`cherrypy.tools`: what a generation put in is there for that generation only."""

    def __getattribute__(self, name: str) -> Any:
        own = vars(TOOLS.own.get())
        return own[name] if name in own else super().__getattribute__(name)

    def __dir__(self) -> list[str]:
        # Where CherryPy's checker looks for the tools that settings name.
        return sorted({*super().__dir__(), *vars(TOOLS.own.get())})

    def __setattr__(self, name: str, value: Any) -> None:
        owner = owner_of_given(value)
        if owner is None:
            super().__setattr__(name, value)
        else:
            setattr(TOOLS.own.of(owner), name, value)

    def __delattr__(self, name: str) -> None:
        own = TOOLS.own.get()
        if name in vars(own):
            delattr(own, name)
        else:
            super().__delattr__(name)


TOOLS = Tools()
