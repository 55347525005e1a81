"""Turning autoreload on: `use_autoreload` and `AutoreloadMiddleware`."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ponyreload.adapters.platforms import detect
from ponyreload.generations.context import active, bind
from ponyreload.interpreter.environment import environment_of_process
from ponyreload.options.options import Options
from ponyreload.reporting import logger, say, shown
from ponyreload.wsgi.places import place_of, resolve

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from ponyreload.devtools.devtools import Devtools
    from ponyreload.reloading.application import Application
    from ponyreload.reloading.reloader import Reloader

__all__ = ["AutoreloadMiddleware", "generation", "turn_on", "use_autoreload"]

# Guards the two below: two threads may turn autoreload on at once.
_lock = threading.Lock()
_reloader: Reloader | None = None
_is_off: bool | None = None  # None: not asked yet


def use_autoreload(
    *,
    include: Iterable[str] = (),
    extra_files: Iterable[str | os.PathLike[str]] = (),
    poll_seconds: float | None = None,
    drain_seconds: float | None = None,
    isolate: Iterable[str] = (),
    scope: str | None = None,
    browser_refresh: bool | None = None,
    trusted_clients: Iterable[str] = (),
    trusted_hosts: Iterable[str] = (),
) -> Reloader | None:
    """Have the user modules reloaded when their contents change; call it after the imports of the main module.

    Args:
        include: Names of packages and modules that count as marked without the constant.
        extra_files: Paths and globs; when the contents of such a file change, that fires a reload too.
        poll_seconds: Look at the files every so many seconds instead of waiting for events of the file system.
            None waits for events where they arrive, and else looks every second. Where nobody uses the application,
            looks are five times further apart, and the first request waits for one.
        drain_seconds: When a request has held a superseded generation for so many seconds, it is named in the log,
            once. None stands for 30.
        isolate: Names of libraries that register the application's objects with themselves, such as ``"django"``.
            They are loaded into each generation with the application. Their files are not watched, and their
            extension modules stay shared.
        scope: What a reload loads anew: ``"all"`` user modules, as None does; or ``"affected"``, those that have
            changed and those that import them, directly or not. The others are shared by both generations.
        browser_refresh: False keeps HTML pages as they are. Otherwise those that a browser of this machine opens
            refresh themselves, and ``/__ponyreload__/`` answers it.
        trusted_clients: Addresses and networks of clients for which the same is done, such as ``"172.17.0.1"``; also
            that of a proxy on this machine, which vouches for its clients. ``"unix"`` stands for unix sockets.
        trusted_hosts: Names of this machine in a request's Host besides ``localhost``, such as ``"shop.test"``.

    Returns:
        The process's reloader; None where nothing is to be done: under mod_wsgi, Google App Engine, in an
        interactive interpreter, and with ``PONYRELOAD=off`` in the environment.

    Raises:
        TypeError, ValueError: An option is none of what is accepted.

    Calling it again adds options, and does no harm. Safe to call from any thread.
    """
    options = Options.checked(
        include=include,
        extra_files=extra_files,
        poll_seconds=poll_seconds,
        drain_seconds=drain_seconds,
        isolate=isolate,
        scope=scope,
        browser_refresh=browser_refresh,
        trusted_clients=trusted_clients,
        trusted_hosts=trusted_hosts,
    )
    return turn_on(sys._getframe(1).f_globals, options)


class AutoreloadMiddleware:
    """A WSGI application that passes each request to the newest generation of another one.

    Args:
        app: A WSGI callable that the calling module made; or an import string such as ``"shop.wsgi:app"``,
            whose module then counts as included.
        include, extra_files, poll_seconds, drain_seconds, isolate, scope, browser_refresh, trusted_clients,
            trusted_hosts: As for `use_autoreload`, which need not be called as well.

    Raises:
        TypeError, ValueError: An argument is none of what is accepted.
        ImportError, AttributeError: The import string leads nowhere.

    A request stays on its generation until its response body is closed. Where nothing is to be done, the
    application is called straight through.
    """

    def __init__(
        self,
        app: WSGIApplication | str,
        *,
        include: Iterable[str] = (),
        extra_files: Iterable[str | os.PathLike[str]] = (),
        poll_seconds: float | None = None,
        drain_seconds: float | None = None,
        isolate: Iterable[str] = (),
        scope: str | None = None,
        browser_refresh: bool | None = None,
        trusted_clients: Iterable[str] = (),
        trusted_hosts: Iterable[str] = (),
    ) -> None:
        options = Options.checked(
            include=include,
            extra_files=extra_files,
            poll_seconds=poll_seconds,
            drain_seconds=drain_seconds,
            isolate=isolate,
            scope=scope,
            browser_refresh=browser_refresh,
            trusted_clients=trusted_clients,
            trusted_hosts=trusted_hosts,
        )
        if isinstance(app, str):
            name, _, path = app.partition(":")
            if not all(part.isidentifier() for part in f"{name}.{path}".split(".")):
                raise ValueError(f"an import string looks like 'shop.wsgi:app', not {app!r}")
            options = options.joined(Options(include=(name,)))
        elif not callable(app):
            raise TypeError(f"AutoreloadMiddleware takes a WSGI callable or an import string, not {app!r}")
        caller = sys._getframe(1)
        reloader = turn_on(caller.f_globals, options)
        application: Any = resolve(app) if isinstance(app, str) else app
        if not callable(application):
            raise TypeError(f"{app!r} is no WSGI callable: {application!r}")
        filler = active()
        self._call: WSGIApplication = application
        if reloader is not None and filler is not None:
            bind(caller.f_globals)
            key = ("middleware", filler.middlewares_made)
            filler.middlewares_made += 1
            where = f"{shown(caller.f_code.co_filename)}:{caller.f_lineno}"
            # A module that is not reloaded makes none for later generations; these have it at the same place.
            place = app if isinstance(app, str) else place_of(app, filler)
            self._call = reloader.slot(key, f"the AutoreloadMiddleware of {where}", application, filler, place=place)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return self._call(environ, start_response)


def generation() -> int:
    """Return the number of the generation that the calling code runs in; 0 where autoreload is off."""
    current = active()
    return 0 if current is None else current.number


def turn_on(caller: dict[str, Any], options: Options) -> Reloader | None:
    """Make the one reloader, or give it more options; None where nothing is to be done."""
    global _reloader, _is_off
    with _lock:
        if _is_off is None:
            platform = detect(sys.modules, environment_of_process())
            _is_off = not platform.is_ours
            done = "autoreload is on" if platform.is_ours else "autoreload does nothing here"
            logger.debug("%s: %s (%s)", platform.name, done, platform.sign)
            for level, text in platform.remarks:
                say(text, level)
        if _is_off:
            return None
        if _reloader is None:
            from ponyreload.reloading.reloader import Reloader  # here: where nothing is to be done, nothing is imported

            _reloader = Reloader(_make_tools)
            _reloader.install()
        running = active()
        bind(caller)
        if options.isolate and running is not None and running.number > 1:
            from ponyreload.imports.advice import too_late  # here: as above

            options = options.without(too_late(options.isolate))
        _reloader.add_entry(caller.get("__name__", ""), caller, options)
        return _reloader


def _make_tools(application: Application) -> Devtools:
    from ponyreload.devtools.devtools import Devtools  # here: the start need not wait for all of that

    return Devtools(application)
