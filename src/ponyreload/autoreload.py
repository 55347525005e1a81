"""Turning autoreload on: `use_autoreload` and `AutoreloadMiddleware`."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ponyreload import project
from ponyreload.generations.context import active, bind
from ponyreload.project import HiddenError, own_imports
from ponyreload.tracebacks import hide_own_frames

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from ponyreload.devtools.devtools import Devtools
    from ponyreload.options.options import Options
    from ponyreload.reloading.application import Application
    from ponyreload.reloading.reloader import Reloader

__all__ = ["AutoreloadMiddleware", "generation", "turn_on", "use_autoreload"]

# Every user module imports this one, also where autoreload is off. So what turning it on needs is imported in the
# functions below.

# Protects the two variables below, and is held while autoreload is turned on: two threads may do that at once. It is
# held over forks, or a child could never turn autoreload on. Re-entrant: a signal handler may fork meanwhile.
_lock = threading.RLock()
_reloader: Reloader | None = None
_is_off: bool | None = None  # None: not detected yet


def use_autoreload(
    *,
    include: Iterable[str] = (),
    extra_files: Iterable[str | os.PathLike[str]] = (),
    poll_seconds: float | None = None,
    drain_seconds: float | None = None,
    isolate: Iterable[str] = (),
    on_demand: Iterable[str] = (),
    scope: str | None = None,
    browser_refresh: bool | None = None,
    trusted_clients: Iterable[str] = (),
    trusted_hosts: Iterable[str] = (),
) -> Reloader | None:
    """Reload the user modules when their contents change. Call it after the imports of the main module.

    Args:
        include: Names of packages and modules that count as marked without the constant.
        extra_files: Paths and globs of files that also trigger a reload when their contents change.
        poll_seconds: Poll for changes at this interval instead of waiting for file system events. None polls only
            where events do not arrive, every second. Polling is five times less frequent while nobody uses the
            application, and the first request then waits for a scan.
        drain_seconds: A request that holds a superseded generation for longer is named in the log, once. None: 30.
        isolate: Names of libraries that keep objects of the application, such as ``"django"``. They are loaded into
            each generation with the application. Their files are not watched, and their extension modules stay shared.
        on_demand: Names of packages and modules that only a request can import, such as ``"shop.admin"``. A load does
            not try whether they can be imported, as it does with what else requests have imported.
        scope: Which modules to reload: ``"all"`` user modules, the default; or ``"affected"``, the changed ones and
            those that import them, directly or not. The others are shared by both generations.
        browser_refresh: False leaves HTML pages as they are. Otherwise pages opened in a browser on this machine
            refresh themselves, and ``/__ponyreload__/`` answers that browser.
        trusted_clients: Addresses and networks of other clients that get the same, such as ``"172.17.0.1"``; also
            that of a proxy on this machine, which vouches for its clients. ``"unix"`` stands for unix sockets.
        trusted_hosts: Names of this machine in a request's Host besides ``localhost``, such as ``"shop.test"``.

    Returns:
        The process's reloader; None where autoreload is off: under mod_wsgi, Google App Engine, in an interactive
        interpreter, and with ``PONYRELOAD=off`` in the environment.

    Raises:
        TypeError, ValueError: An option is not valid.

    Calling it again adds options. Safe to call from any thread.
    """
    return turn_on(sys._getframe(1).f_globals, _checked(locals()))


class AutoreloadMiddleware:
    """A WSGI application that passes each request to the newest generation of another one.

    Args:
        app: A WSGI callable made by the calling module; or an import string such as ``"shop.wsgi:app"``, whose module
            then counts as included.

    The other arguments are those of `use_autoreload`, which need not be called as well.

    Raises:
        TypeError, ValueError: An argument is not valid.
        ImportError, AttributeError: The import string leads nowhere.

    A request stays on its generation until its response body is closed. Where autoreload is off, the application is
    called straight through.
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
        on_demand: Iterable[str] = (),
        scope: str | None = None,
        browser_refresh: bool | None = None,
        trusted_clients: Iterable[str] = (),
        trusted_hosts: Iterable[str] = (),
    ) -> None:
        options = _checked(locals())
        with _needed():
            from ponyreload.reporting import shown
            from ponyreload.wsgi.places import place_of, resolve

        if isinstance(app, str):
            name, _, path = app.partition(":")
            if not all(part.isidentifier() for part in f"{name}.{path}".split(".")):
                raise ValueError(f"an import string looks like 'shop.wsgi:app', not {app!r}")
            more = _checked({"include": (name,)})
            options = None if options is None or more is None else options.joined(more)
        elif not callable(app):
            raise TypeError(f"AutoreloadMiddleware takes a WSGI callable or an import string, not {app!r}")
        caller = sys._getframe(1)
        reloader = turn_on(caller.f_globals, options)
        application: Any = resolve(app) if isinstance(app, str) else app
        if not callable(application):
            raise TypeError(f"{app!r} is not a WSGI callable: {application!r}")
        filler = active()
        self._call: WSGIApplication = application
        if reloader is not None and filler is not None:
            bind(caller.f_globals)
            key = ("middleware", filler.middlewares_made)
            filler.middlewares_made += 1
            where = f"{shown(caller.f_code.co_filename)}:{caller.f_lineno}"
            # A module that is not reloaded makes no middleware for later generations: they have the application at
            # the same place.
            place = app if isinstance(app, str) else place_of(app, filler)
            self._call = reloader.slot(key, f"the AutoreloadMiddleware of {where}", application, filler, place=place)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            return self._call(environ, start_response)
        except BaseException as error:
            hide_own_frames(error, expected=())
            raise


def generation() -> int:
    """Return the number of the generation that the calling code runs in; 0 where autoreload is off."""
    current = active()
    return 0 if current is None else current.number


@contextmanager
def _needed() -> Iterator[None]:
    """Run a block that imports what autoreload is made of. A file of the project in its way turns autoreload off."""
    global _is_off
    try:
        with own_imports():
            yield
    except HiddenError as error:
        if _is_off is None:
            sys.stderr.write(f"ponyreload: {error}; autoreload is off\n")  # `logging` may be what is hidden
        _is_off = True


def _checked(given: Mapping[str, object]) -> Options | None:
    """Return the options among the arguments of a public function; None where autoreload cannot be had."""
    with _needed():
        from ponyreload.options.options import Options

        return Options.checked(given)
    return None


def turn_on(caller: dict[str, Any], options: Options | None) -> Reloader | None:
    """Make the one reloader, or give it more options; None where autoreload is off."""
    global _reloader, _is_off
    with _needed():
        from ponyreload.adapters.platforms import detect
        from ponyreload.interpreter.environment import environment_of_process
        from ponyreload.interpreter.forklocks import follow_forks, hold_over_forks, in_children
        from ponyreload.reporting import logger, say
    if options is None or _is_off:
        return None
    hold_over_forks("own imports", project.lock)
    hold_over_forks("turning on", _lock)
    follow_forks()
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
            with _needed():
                from ponyreload.reloading.reloader import Reloader  # here: where it is off, none of it is imported
            if _is_off:
                return None
            in_children(project.begin_in_child)
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
    with own_imports():
        from ponyreload.devtools.devtools import Devtools  # here: the start of the server does not wait for it

    return Devtools(application)
