"""uWSGI: it forks without telling Python. What is due in a forked process is done from a hook of its own."""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from typing import Any

from ponyreload.adapters.adapter import Adapter, Host
from ponyreload.imports.names import unrouted_modules
from ponyreload.imports.routed import RoutedModule
from ponyreload.interpreter.attributes import own_namespace
from ponyreload.interpreter.private import INITIALIZING, MAY_BE_INITIALIZING
from ponyreload.reporting import say

__all__ = ["ADAPTER", "UWSGIAdapter"]

NO_THREADS = "uWSGI runs without threads, so nothing can look at the files: start it with --enable-threads"
NO_APPLICATIONS = "uWSGI finds no application in the user modules: Python does not tell here when a module has run"


class UWSGIAdapter(Adapter):
    """Puts itself into ``uwsgi.post_fork_hook``, together with what is there.

    `uwsgidecorators` puts something else there when it is imported, which may be later: `install` is called again.
    """

    def __init__(self) -> None:
        super().__init__()
        self._hook: functools.partial[Any] | None = None
        self._pid = os.getpid()

    def install(self, host: Host) -> None:
        self.host = host
        uwsgi: Any = sys.modules.get("uwsgi")
        if uwsgi is None or not hasattr(uwsgi, "worker_id"):
            return  # a module of that name that the server has not made
        if self._hook is None:
            if not uwsgi.has_threads:
                say(NO_THREADS, logging.WARNING)
            _show_applications(uwsgi.opt)
            self._pid = os.getpid()
        there = getattr(uwsgi, "post_fork_hook", None)
        if there is None or there is not self._hook:
            self._hook = uwsgi.post_fork_hook = functools.partial(self._after_fork, there)

    def uninstall(self) -> None:
        """Take the hook out, if nobody has put another one around it."""
        uwsgi: Any = sys.modules.get("uwsgi")
        if self._hook is not None and uwsgi.post_fork_hook is self._hook:
            (there,) = self._hook.args
            if there is None:
                del uwsgi.post_fork_hook
            else:
                uwsgi.post_fork_hook = there
        self._hook = None

    def _after_fork(self, there: Callable[[], Any] | None) -> None:
        # Without a master process it is called where nothing was forked.
        if os.getpid() != self._pid:
            self._pid = os.getpid()
            self.host.begin_in_child()
        if there is not None:
            there()


class UnfinishedSpec(ModuleSpec):
    """The spec of a module whose code is running: it does something as soon as the import system is done with that."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == INITIALIZING and not value:
            show = vars(self).pop("_show")
            self.__class__ = ModuleSpec  # type: ignore[assignment]
            show()


def _show_applications(options: dict[str, Any]) -> None:
    """Have the applications be found where uWSGI looks for them.

    It gets them right after the import, in C, from the namespace that a module has for itself. That of a routed
    module is empty. What is put there belongs to the first generation, and uWSGI holds it for ever in any case.
    """
    if MAY_BE_INITIALIZING:
        say(NO_APPLICATIONS, logging.ERROR)
    values = [each for value in options.values() for each in (value if isinstance(value, list) else [value])]
    texts = [value.decode(errors="replace") for value in values if isinstance(value, bytes)]
    names = {"application"} | {text.rpartition(":")[2] for text in texts}
    for name, _, namespace in unrouted_modules():
        spec = namespace.get("__spec__")
        if type(spec) is ModuleSpec and getattr(spec, INITIALIZING, False):
            vars(spec)["_show"] = functools.partial(_show, name, names)
            spec.__class__ = UnfinishedSpec


def _show(module_name: str, names: set[str]) -> None:
    module = sys.modules.get(module_name)
    if type(module) is RoutedModule:
        (own_namespace(module) or {}).update((name, getattr(module, name)) for name in names & set(dir(module)))


ADAPTER = UWSGIAdapter()
