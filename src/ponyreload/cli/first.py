"""The first load: on the main thread, into generation 1. If it fails, the error is served until a load succeeds."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

from ponyreload.autoreload import turn_on
from ponyreload.cli.error_page import error_page
from ponyreload.cli.problems import TargetError
from ponyreload.cli.targets import Target
from ponyreload.errors import LoadError
from ponyreload.generations.context import entered
from ponyreload.generations.failures import load_error
from ponyreload.loading.journal import Failure, LoadRecord, own_seconds
from ponyreload.options.options import Options
from ponyreload.reporting import say

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from ponyreload.cli.terminal import Terminal
    from ponyreload.reloading.reloader import Reloader

__all__ = ["Loaded", "load_first"]


class Loaded(NamedTuple):
    """The application that is served.

    Attributes:
        app: WSGI application for the server: it passes each request to the generation that serves.
        reloader: None where autoreload is off.
        error: Why the first load failed, if it did.
    """

    app: WSGIApplication
    reloader: Reloader | None
    error: LoadError | None = None


def load_first(
    target: Target, options: Options, terminal: Terminal | None = None, isolated: Collection[str] = ()
) -> Loaded:
    """Turn autoreload on, and load *target* into generation 1.

    Args:
        target, options: What to load, and how.
        terminal: What tells of loads.
        isolated: Libraries that are isolated although no option says so.

    Raises:
        TargetError: The user's code has run, but has no application.
        BaseException: What the user's code raises, where autoreload is off.
    """
    target.make_importable()
    reloader = turn_on({"__name__": target.module}, options.joined(Options.checked({"isolate": isolated})))
    if reloader is None:
        return Loaded(target.find(), None)
    generation = reloader.serving
    started = time.monotonic()
    if terminal is not None:
        reloader.application.journal.listen(terminal)
        # A module may start a server of its own, and never return: then the load is over.
        terminal.first_load_began(generation, lambda: reloader.updater.is_started)
    error: LoadError | None = None
    app = error_page(lambda: reloader.error, lambda environ: reloader.application.tools.get().may_see(environ))
    try:
        with entered(generation):
            app = target.find()
    except BaseException as reason:
        if isinstance(reason, TargetError) or not isinstance(reason, Exception | SystemExit):
            if terminal is not None:
                terminal.error_is_over(0)
            raise
        generation.is_broken = True
        error = load_error(generation, 0, reason, lambda file: reloader.application.is_user_file(generation, file))
        reloader.application.note(error)
    used = [name for name in isolated if name in generation.modules]
    if used:
        say(f"loads with each generation, as they keep what the application gives them: {', '.join(used)}")
    slot = reloader.slot(("command line", 0), f"the target {target.text}", app, generation, make=target.find)
    now = time.monotonic()
    seconds = now - started
    modules = own_seconds(generation.runs, now)
    failure = None if error is None else Failure.of(error)
    reloader.application.journal.ended(LoadRecord(1, (), time.time() - seconds, seconds, modules, failure))
    if error is None:
        say(f"generation 1 serves: {target.text} ({seconds * 1000:.0f} ms)", of_load=True)
    else:
        say(f"{error.details}\n{error}\n{error.outcome}", logging.ERROR, of_load=True)
    return Loaded(slot, reloader, error)
