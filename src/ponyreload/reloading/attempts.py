"""Attempts: one load of the changed contents, and how it ends."""

from __future__ import annotations

import logging
import time

from ponyreload.errors import LoadError
from ponyreload.generations.failures import load_error
from ponyreload.generations.generation import Generation
from ponyreload.imports import sharing
from ponyreload.imports.names import MAIN
from ponyreload.imports.specs import forget_listings
from ponyreload.lifecycle.hooks import call_reload_hooks
from ponyreload.loading import precompiling
from ponyreload.loading.journal import Failure, LoadRecord, own_seconds
from ponyreload.loading.late import LateImports
from ponyreload.loading.load import Load, load_of_this_thread
from ponyreload.reloading.application import Application
from ponyreload.reloading.pacing import Pace
from ponyreload.reloading.publishing import Publishing
from ponyreload.reloading.retiring import Retiring
from ponyreload.reporting import listed, say
from ponyreload.watching.lookout import is_due

__all__ = ["GIVE_UP_SECONDS", "Attempts"]

# Seconds. A load that lasts longer says where it is, and again after each doubling.
LONG_LOAD_SECONDS = 2.0
# Seconds. How long a load that is given up is waited for: most end at their next import.
GIVE_UP_SECONDS = 0.1


class Attempts:
    """Runs loads, one at a time, on the thread of the `Updater`.

    Attributes:
        loading: The load that is under way; None between loads. Guarded by the lock of `Living`.
    """

    def __init__(self, application: Application, pace: Pace, publishing: Publishing, retiring: Retiring) -> None:
        self._application = application
        self._pace = pace
        self._publishing = publishing
        self._retiring = retiring
        self.loading: Load | None = None

    @property
    def unfinished(self) -> Load | None:
        """The load that another thread is busy with, if there is one."""
        load = self.loading
        if load is None or load.done or load.generation.abandoned or load is load_of_this_thread():
            return None
        return load

    def run(self, changed: set[str], may_share: bool) -> tuple[Load, BaseException | None]:
        """Load a generation; return it with what went wrong, if something did. One that was overtaken is not done."""
        broken = precompiling.compile_changed(self._application.sources, changed, self._application.serving)
        load = self._load(changed if may_share else None, hooks=not broken)
        if broken and load.done and load.error is None:
            serving = self._application.serving
            for file, error in broken.items():
                if precompiling.needs(load.generation, serving, file):
                    return load, error
            # A file that does not compile, and is not imported any more, does not matter; but the hooks are due.
            self.discard(load)
            load = self._load(changed if may_share else None, hooks=True)
        return load, load.error

    def _load(self, changed: set[str] | None, hooks: bool) -> Load:
        """Run one load until it is done or newer contents have overtaken it.

        Args:
            changed: Files that have; None to load all modules, whatever has changed.
            hooks: Whether to call what is to be called when a reload fires.
        """
        application, pace = self._application, self._pace
        serving = application.serving
        forget_listings()
        generation = self._publishing.begin()
        if application.options.scope == "affected":
            self._share(serving, generation, changed)
        load = Load(
            generation,
            application.entries.to_import(serving),
            MAIN in serving.modules,
            application.modules,
            (lambda: call_reload_hooks(serving)) if hooks else (lambda: None),
            application.news,
            lambda: self._publishing.fill(generation),
            LateImports(application.modules, application.sources, serving, application.options.on_demand),
        )
        self.loading = load
        if not pace.begins_behind:
            # Requests from here on get the generation that serves: the load itself may send one, and wait for it.
            pace.is_behind = False
        application.journal.began(load)
        if not load.start():
            pace.stop()
        notice = load.started + LONG_LOAD_SECONDS
        while True:
            pace.wait_until(
                lambda: load.done or pace.is_stopping or is_due(pace.lookout.at) or is_due(notice),  # noqa: B023
                lambda: (pace.lookout.at, notice),  # noqa: B023 - both are called at once
            )
            if load.done or pace.is_stopping or pace.has_changes(generation):
                return load
            if is_due(notice):
                seconds = time.monotonic() - load.started
                text = f"generation {generation.number} is still loading after {seconds:.0f} s: {load.where()}"
                say(text, logging.WARNING)
                notice += seconds

    def _share(self, serving: Generation, new: Generation, changed: set[str] | None) -> None:
        """Have a generation that is to be loaded take over the modules that need not be loaded."""
        application = self._application
        new.imports = {}
        names = None if changed is None else application.files.changed_modules(serving, changed)
        if names is not None:
            affected = sharing.find_affected(serving, [MAIN, *application.entries.names, *names])
            if affected is not None:
                sharing.share(serving, new, affected)

    def publish(self, load: Load, changed: set[str], started: float) -> BaseException | None:
        """Publish a loaded generation; return what prevented it."""
        application = self._application
        try:
            self._publishing.publish(load)
        except Exception as error:
            return error
        application.files.served(load.generation)
        self.loading = None
        record = _record(load, changed, started)
        load.generation.runs = []  # the record has what is to be known of them
        application.journal.ended(record)  # first: who reads the line, or waited, finds it there
        what = f"{listed(changed)} changed" if changed else "reload requested"
        say(f"generation {load.generation.number} serves: {what} ({record.seconds * 1000:.0f} ms)", of_load=True)
        application.note(None)
        return None

    def fail(self, load: Load, error: BaseException, changed: set[str], started: float) -> None:
        """Report a load that failed; what served before serves on."""
        application = self._application
        serving = application.serving
        number = 0 if serving.is_broken else serving.number
        may_show = lambda file: application.is_user_file(load.generation, file)  # noqa: E731
        report = load_error(load.generation, number, error, may_show, load.hint)
        application.files.failed(load.generation)
        application.journal.ended(_record(load, changed, started, report))
        say(f"{report.details}\n{report}\n{report.outcome}", logging.ERROR, of_load=True)
        application.note(report)

    def discard(self, load: Load) -> None:
        """Let go of a generation that will never be served."""
        load.abandon()
        # Most loads end at their next import. One that does not is left to itself: it can do no harm to others.
        load.join(GIVE_UP_SECONDS)
        self._retiring.retire(load.generation)
        with self._application.news:
            self.loading = None
            self._application.news.notify_all()


def _record(load: Load, changed: set[str], started: float, error: LoadError | None = None) -> LoadRecord:
    now = time.monotonic()
    seconds = now - started
    modules = own_seconds(load.generation.runs, now if load.ended is None else load.ended)
    failure = None if error is None else Failure.of(error)
    number, at = load.generation.number, time.time() - seconds
    return LoadRecord(number, tuple(sorted(changed)), at, seconds, modules, failure)
