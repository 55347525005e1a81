"""Settings: `cherrypy.config`, of which each generation has contents of its own, and `cherrypy.server`, of which
there is one."""

from __future__ import annotations

import functools
import logging
import weakref
from collections.abc import Callable
from typing import Any

import cherrypy
from cherrypy._cpconfig import Config
from cherrypy._cpserver import Server
from cherrypy.lib.reprconf import NamespaceSet

from ponyreload.adapters.cherrypy.servers import hand_over
from ponyreload.generations.contents import Contents
from ponyreload.generations.context import published
from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import owner_of
from ponyreload.loading.load import load_of_this_thread
from ponyreload.reporting import say

__all__ = ["SETTINGS", "Settings"]


class Settings:
    """Routes `cherrypy.config` to the active generation's; keeps a load's hands off the server that runs."""

    def install(self) -> None:
        self.own: Contents[Any] = Contents(_new_config, _copy_of_config())
        # What a load is to do to objects of the whole process once it is published.
        self.due: weakref.WeakKeyDictionary[Generation, list[Callable[[], object]]] = weakref.WeakKeyDictionary()
        cherrypy.config.__class__ = RoutedConfig
        cherrypy.server.__class__ = RoutedServer

    def uninstall(self) -> None:
        cherrypy.server.__class__ = Server
        cherrypy.config.__class__ = Config
        dict.clear(cherrypy.config)
        dict.update(cherrypy.config, self.own.of(published()))

    def before_publish(self, generation: Generation) -> None:
        """Apply the generation's settings of the engine, the log and the checker."""
        for apply in self.due.pop(generation, ()):
            apply()


class RoutedConfig(Config):  # type: ignore[misc]
    """`cherrypy.config`: each generation has the defaults, and what its own code sets."""

    @property
    def namespaces(self) -> Any:
        return SETTINGS.own.get().namespaces


def _passed_on(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG001 - the contents are found by the generation
        return getattr(SETTINGS.own.get(), name)(*args, **kwargs)

    method.__name__ = name
    return method


for _name in (
    *("__contains__", "__delitem__", "__eq__", "__getitem__", "__iter__", "__len__", "__ne__", "__or__", "__repr__"),
    *("__reversed__", "__ror__", "__setitem__", "clear", "copy", "get", "items", "keys", "pop", "popitem", "reset"),
    *("setdefault", "update", "values"),
):
    setattr(RoutedConfig, _name, _passed_on(_name))


class RoutedServer(Server):  # type: ignore[misc]
    """`cherrypy.server`: the first script sets it up; a later one is warned of what it cannot change."""

    def __setattr__(self, name: str, value: Any) -> None:
        load = load_of_this_thread()
        if load is None:
            super().__setattr__(name, value)
        elif not hand_over(value, load.generation):
            _say_if_changed(name, getattr(self, name, None), value)


def _copy_of_config() -> Any:
    """Return what `cherrypy.config` holds, as an object of its own."""
    config = Config()
    config.defaults = cherrypy.config.defaults
    dict.clear(config)
    dict.update(config, cherrypy.config)
    return config


def _new_config() -> Any:
    """Return the global configuration that a load starts with: the defaults."""
    config = Config()
    config.defaults = cherrypy.config.defaults
    config.reset()
    plain = {name: handler for name, handler in Config.namespaces.items() if owner_of(handler, carried=True) is None}
    config.namespaces = NamespaceSet(plain)
    for namespace in ("engine", "log", "checker"):
        config.namespaces[namespace] = functools.partial(_when_published, plain[namespace])
    config.namespaces["server"] = functools.partial(_unless_running, plain["server"])
    return config


def _when_published(handler: Callable[[str, Any], object], key: str, value: Any) -> None:
    """Set something of the whole process; from a load, not before that is published."""
    load = load_of_this_thread()
    if load is None or load.generation.published:
        handler(key, value)
    else:
        SETTINGS.due.setdefault(load.generation, []).append(functools.partial(handler, key, value))


def _unless_running(handler: Callable[[str, Any], object], key: str, value: Any) -> None:
    """Set something of a server; from a load, only say so if it differs from what runs."""
    name, dot, attribute = key.rpartition(".")
    if load_of_this_thread() is None or not dot:
        handler(key, value)
    elif attribute != "on":
        _say_if_changed(key, getattr(getattr(cherrypy, "servers", {}).get(name), attribute, None), value)


def _say_if_changed(name: str, running: object, wanted: object) -> None:
    if running != wanted:
        text = f"server.{name} changed from {running!r} to {wanted!r}: restart to apply it"
        say(f"{text}; until then nothing changes", logging.WARNING)


SETTINGS = Settings()
