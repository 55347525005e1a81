"""Updating: the thread that looks at the files, and has what serves be what they say."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from ponyreload.code.sources import Source, compile_all
from ponyreload.errors import Abandoned, LoadError
from ponyreload.generations.failures import load_error
from ponyreload.generations.generation import Generation
from ponyreload.generations.living import Living
from ponyreload.holders.retention import GRACE_SECONDS
from ponyreload.imports import sharing
from ponyreload.imports.advice import find_unreadable
from ponyreload.imports.modules import Modules
from ponyreload.imports.names import MAIN
from ponyreload.interpreter.collecting import Collector, few_collections
from ponyreload.interpreter.turns import short_turns
from ponyreload.lifecycle.hooks import call_reload_hooks
from ponyreload.loading.journal import Failure, LoadRecord, own_seconds
from ponyreload.loading.load import Load, load_of_this_thread
from ponyreload.reporting import listed, say, shown
from ponyreload.watching.files import Files
from ponyreload.watching.lookout import Lookout, is_due
from ponyreload.wsgi.requests import name_requests, naming_at

if TYPE_CHECKING:
    from ponyreload.reloading.reloader import Reloader

__all__ = ["Updater"]

# A save that does not load is reported when the files have been quiet for so long: the next keystroke may mend it.
QUIET_SECONDS = 0.1
# A load that lasts longer says where it is, and again after each doubling.
LONG_LOAD_SECONDS = 2.0
# Modules that are compiled ahead at a time: taking over their code holds the interpreter for a millisecond or two.
PART = 100
# When a look at those files that there was news of is followed by one at all of them.
LOOK_AGAIN_SECONDS = 0.05
# What is due after a publish, to watch new folders and retire the generation before, competes with requests for the
# interpreter; so it waits for so long.
GIVE_WAY_SECONDS = 0.02
# The first request of a forked process waits so long, at most, for what serves to be what the files say.
CATCH_UP_SECONDS = 10.0
# So does the first one after a rest of the polling.
WAKE_SECONDS = 1.0
# A process that forks while a generation is loaded waits for that so long; then it is given up, and loaded again.
FORK_SECONDS = 1.0


class Updater:
    """One thread, "ponyreload": it looks at the files, starts loads, has them published, and retires generations.

    The times and requests below are guarded by the lock of `Living`, and told through its condition.
    """

    def __init__(
        self, reloader: Reloader, living: Living, files: Files, modules: Modules, is_forked: bool = False
    ) -> None:
        self._reloader = reloader
        self._living = living
        self._files = files
        self._modules = modules
        self._news = living.news
        self._is_forked = is_forked
        # A forked process shares what watches the files with its parent, if that has it, and would take its events.
        may_watch = not (is_forked and "watchdog.observers" in sys.modules)
        self._lookout = Lookout(self._news, files.matter, may_watch)
        # Whether a request is to have the files looked at first: what a forked process serves may have been old when it
        # began, and what serves after a rest of the polling may have become so.
        self.is_behind = self._begins_behind = is_forked
        self._looks = 0  # how many have begun, which one requests wait for, and up to which all has been done
        self._look_awaited = 0
        self._looks_done = 0
        self._thread: threading.Thread | None = None
        self.is_started = False
        self.is_stopping = False
        self._collector = Collector()
        self._asked_at = time.monotonic()  # when a request was last known of
        self._asked = 0  # how many calls of `ask` there were, and up to which they are answered
        self._answered = 0
        self._told_of: set[str] = set()  # marked modules that have no source file
        self._loading: Load | None = None

    # -- for the reloader, from any thread -------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread, if that has not been done. Called with the lock held."""
        if not self.is_started and not self.is_stopping:
            self.is_started = True
            self._thread = threading.Thread(target=self._run, name="ponyreload", daemon=True)
            self._thread.start()

    def catch_up(self) -> None:
        """Wait, if the files may have changed unseen, until what serves is what they say."""
        with self._news:
            self._lookout.end_rest()
            self._lookout.touch(0)
            # Not one that is under way: it may have seen the file before the save.
            look = self._look_awaited = self._looks + 1
            patience = CATCH_UP_SECONDS if self._begins_behind else WAKE_SECONDS
            if not self._news.wait_for(lambda: self.is_stopping or self._looks_done >= look, patience):
                self.is_behind = False  # for the others too, what there is has to do

    def unfinished_load(self) -> Load | None:
        """Return the load that another thread is busy with, if there is one."""
        load = self._loading
        if load is None or load.done or load.generation.abandoned or load is load_of_this_thread():
            return None
        return load

    def finish_load(self) -> None:
        """Wait until what is being loaded serves; or give it up: a forked process could not go on with it."""
        mine = load_of_this_thread()
        if threading.current_thread() is not self._thread:
            with self._news:
                self._news.wait_for(lambda: self._loading in (None, mine), FORK_SECONDS)
        load = self.unfinished_load()
        if load is not None:
            load.abandon()
            load.join(QUIET_SECONDS)

    def stop(self) -> None:
        """End the thread and the watcher's. Safe to call twice."""
        with self._news:
            self.is_stopping, self.is_behind = True, False
            self._news.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._lookout.stop()

    def look(self) -> None:
        """Have all files looked at now."""
        self._lookout.touch(0)

    def end_rest(self) -> None:
        """Have them looked at now, if that is done rarely, and then as often as usual."""
        with self._news:
            if self._lookout.rests:
                self._lookout.end_rest()
                self._lookout.touch(0)

    def collect_later(self) -> None:
        """Have the memory of a generation that has retired collected, when there is time for that."""
        with self._news:
            self._collector.retired(self._last_request())
            self._news.notify_all()

    def ask(self) -> None:
        """Have a generation loaded whatever the files say, and wait until it is published or has failed."""
        with self._news:
            if self.is_stopping:
                raise RuntimeError("the reloader has been stopped")
            self._asked += 1
            ticket = self._asked
            self._news.notify_all()
            self._news.wait_for(lambda: self._answered >= ticket or self.is_stopping)

    @property
    def watching(self) -> tuple[dict[str, bool], float | None]:
        """The folders whose events are waited for, whether those below each count too; and the seconds between looks.

        The latter is None where events are waited for.
        """
        return self._lookout.watched, self._lookout.seconds

    @property
    def collected_at(self) -> float:
        """When the last collection began, on the monotonic clock: what had retired by then is gone, or held."""
        return self._collector.collected_at

    # -- the thread ------------------------------------------------------------------------------------------

    def _run(self) -> None:
        self._try_to(self._begin)
        self._lookout.touch(0)  # what changed before the watching began
        while not self.is_stopping:
            self._try_to(self.attend)

    def _try_to(self, do: Callable[[], object]) -> None:
        looks = self._looks
        try:
            do()
        except Exception:
            # What serves goes on serving, and the next save gets its chance.
            say(f"ponyreload itself failed; please report this:\n{traceback.format_exc()}", logging.ERROR)
            if self._looks == looks:
                self._looked()  # or it would be tried again at once, and for ever

    def _begin(self) -> None:
        self._reloader.adopt()
        self._watch()
        self._reloader.look_ahead()
        uncompiled = self._files.find_uncompiled(self._living.serving)
        if uncompiled and not self._is_forked:  # a server's many processes would all do it
            name = "ponyreload compiles ahead"
            threading.Thread(target=self._compile_ahead, args=(uncompiled,), name=name, daemon=True).start()

    def _compile_ahead(self, sources: list[Source]) -> None:
        """Have another process compile what the first reload is to run, in parts, and stop when that comes."""
        while sources and not self.is_stopping and self._reloader.generation == 1:
            with few_collections():  # all of it is kept
                compile_all(sources[:PART])
            del sources[:PART]

    def attend(self) -> None:
        """Wait for something to do, and do it."""
        self._wait_until(self.is_called, self._times)
        with self._news:
            asked, look = self._asked, is_due(self._lookout.at)
        if self.is_stopping:
            return
        for generation in self._living.idle():
            self._reloader.retire(generation)
        if look or asked > self._answered:
            try:
                with short_turns():
                    self._bring_up_to_date(force=asked > self._answered)
            finally:
                # Also if it failed: nobody is to wait for ever, and nothing to be tried for ever.
                with self._news:
                    self._answered, self._looks_done = asked, self._looks
                    self.is_behind, self._begins_behind = self._lookout.rests, False
                    self._news.notify_all()
        name_requests(self._living.held(), self._files.options.drain_seconds)
        with self._news:
            is_quiet, is_burst = self._collector.take(self._last_request())
        if is_quiet or is_burst:
            gc.collect()
            self._collector.collected()
        # Not in a burst: what has just retired may still be in the hands of the thread that saw to it.
        if is_quiet and self._reloader.look_for_holders():
            with self._news:
                self._collector.at = time.monotonic() + GRACE_SECONDS

    def is_called(self) -> bool:
        """Tell whether there is something to do now."""
        due = any(map(is_due, self._times())) or self._asked > self._answered or self._collector.is_burst()
        return self.is_stopping or due or bool(self._living.idle())

    def _times(self) -> tuple[float | None, ...]:
        naming = naming_at(self._living.held(), self._files.options.drain_seconds)
        return self._lookout.at, self._collector.at, naming

    def _wait_until(self, condition: Callable[[], bool], times: Callable[[], tuple[float | None, ...]]) -> None:
        """Wait until *condition* holds, which news or one of the *times* may bring; these may change meanwhile."""
        with self._news:
            while not condition():
                due = [at for at in times() if at is not None]
                self._news.wait(max(0.0, min(due) - time.monotonic()) if due else None)

    def _bring_up_to_date(self, force: bool) -> None:
        """Load and publish until what serves is what the files say, or say why that cannot be."""
        pause = 0.005
        is_whole = False
        changed: set[str] = set()
        while not self.is_stopping:
            paths = self._looked()
            self._tell_of_strangers()
            serving = self._living.serving
            changed |= self._files.changes(serving, paths)
            if changed:
                self._lookout.end_rest()
            if paths is not None:
                self._lookout.touch(LOOK_AGAIN_SECONDS)
            if not force and (not changed or self._is_back(serving)):
                break
            if self._files.any_is_empty(changed) and self._changes_within(QUIET_SECONDS):
                continue  # it had been truncated, and is written now
            started = time.monotonic()
            with few_collections():
                load, error = self._try(changed, not force and not is_whole)
            is_sound = sharing.is_sound(serving, load.generation)
            if error is None and load.done and is_sound and not self._is_overtaken(load.generation):
                error = self._publish(load, changed, started)
                if error is None:
                    self._give_way()
                    sharing.prepare(load.generation)
                    break
            self._discard(load)
            if not is_sound or (error is not None and load.generation.shared):
                is_whole = True  # it may be the fault of what was taken over
                continue
            if isinstance(error, Abandoned):
                continue  # for a fork; nothing is wrong with it
            if error is not None and not self._changes_within(QUIET_SECONDS):
                self._fail(load, error, changed, started)
                break
            # Overtaken: the contents are moving. Let them settle a little, a little longer each time.
            self._settle(pause)
            pause = min(2 * pause, QUIET_SECONDS)
        self._watch()

    def _give_way(self) -> None:
        """Wait a moment, for the requests that the new generation was made for to be answered first."""
        deadline = time.monotonic() + GIVE_WAY_SECONDS

        def is_over() -> bool:
            is_awaited = self._look_awaited > self._looks_done or self._asked > self._answered
            return self.is_stopping or is_awaited or is_due(self._lookout.at) or is_due(deadline)

        self._wait_until(is_over, lambda: (self._lookout.at, deadline))

    def _is_back(self, serving: Generation) -> bool:
        """Tell whether the files, after a failed load, are again those of what serves; then that error is over."""
        if serving.is_broken or not self._files.are_as_served(serving):
            return False
        self._files.served(serving)
        say(f"generation {serving.number} serves: the files are again what it was loaded from", of_load=True)
        self._reloader.note(None)
        self._reloader.journal.is_over(serving.number)
        return True

    def _is_overtaken(self, loaded: Generation) -> bool:
        """Tell whether there are newer contents than those of a generation that has loaded, or soon will be."""
        if self._has_changes(loaded):
            return True
        return self._files.is_truncated(loaded, self._living.serving) and self._changes_within(QUIET_SECONDS)

    # -- loading ---------------------------------------------------------------------------------------------

    def _try(self, changed: set[str], may_share: bool) -> tuple[Load, BaseException | None]:
        """Load a generation; return it with what went wrong, if something did. One that was overtaken is not done."""
        broken = self._files.compile(changed, self._living.serving)
        load = self._load(changed if may_share else None, hooks=not broken)
        if broken and load.done and load.error is None:
            # What has run all the same was mended in the meantime.
            broken = {file: error for file, error in broken.items() if file not in load.generation.sources}
            if self._files.any_needed(load.generation, broken):
                return load, next(iter(broken.values()))
            # A file that does not compile, and is not imported any more, does not matter; but the hooks are due.
            self._discard(load)
            load = self._load(changed if may_share else None, hooks=True)
        return load, load.error

    def _load(self, changed: set[str] | None, hooks: bool) -> Load:
        """Run one load until it is done or newer contents have overtaken it.

        Args:
            changed: Files that have; None to load all modules anew, whatever has changed.
            hooks: Whether to call what is to be called when a reload fires.
        """
        serving = self._living.serving
        importlib.invalidate_caches()
        generation = self._reloader.begin()
        if self._files.options.scope == "affected":
            self._share(serving, generation, changed)
        load = Load(
            generation,
            self._entries_of(serving),
            MAIN in serving.modules,
            self._modules,
            (lambda: call_reload_hooks(serving)) if hooks else (lambda: None),
            self._news,
            lambda: self._reloader.fill(load.generation),
        )
        self._loading = load
        if not self._begins_behind:
            # Who comes from here on gets what serves: it may be the load itself that asks, and waits for the answer.
            self.is_behind = False
        self._reloader.journal.began(load)
        load.start()
        notice = load.started + LONG_LOAD_SECONDS
        while True:
            self._wait_until(
                lambda: load.done or self.is_stopping or is_due(self._lookout.at) or is_due(notice),  # noqa: B023
                lambda: (self._lookout.at, notice),  # noqa: B023 - both are called at once
            )
            if load.done or self.is_stopping or self._has_changes(load.generation):
                return load
            if is_due(notice):
                seconds = time.monotonic() - load.started
                number = load.generation.number
                say(f"generation {number} is still loading after {seconds:.0f} s: {load.where()}", logging.WARNING)
                notice += seconds

    def _share(self, serving: Generation, new: Generation, changed: set[str] | None) -> None:
        """Have a generation that is to be loaded take over what need not be loaded anew."""
        new.imports = {}
        names = None if changed is None else self._files.changed_modules(serving, changed)
        if names is not None:
            affected = sharing.find_affected(serving, [MAIN, *self._reloader.entries, *names])
            if affected is not None:
                sharing.share(serving, new, affected, self._modules.routed)

    def _entries_of(self, serving: Generation) -> list[str]:
        """Return the modules that a load is to import, besides the main script, which imports what it needs."""
        if MAIN in serving.modules:
            return []
        if self._reloader.entries:
            return self._reloader.entries
        # What asked for autoreload is itself a system module; so all that it had imported is loaded again.
        return [name for name, file in serving.files.items() if os.path.isfile(file)]

    def _publish(self, load: Load, changed: set[str], started: float) -> BaseException | None:
        """Have a loaded generation serve; return what prevented it."""
        try:
            self._reloader.publish(load)
        except Exception as error:
            return error
        self._files.served(load.generation)
        self._loading = None
        record = self._record(load, changed, started)
        load.generation.runs = []  # the record has what is to be known of them
        self._reloader.journal.ended(record)  # first: who reads the line, or waited, finds it there
        what = f"{listed(changed)} changed" if changed else "asked for"
        say(f"generation {load.generation.number} serves: {what} ({record.seconds * 1000:.0f} ms)", of_load=True)
        self._reloader.note(None)
        return None

    def _fail(self, load: Load, error: BaseException, changed: set[str], started: float) -> None:
        """Report a load that failed; what served before serves on."""
        serving = self._living.serving
        number = 0 if serving.is_broken else serving.number
        report = load_error(load.generation, number, error, lambda file: self.is_user_file(load.generation, file))
        self._files.failed(load.generation)
        self._reloader.journal.ended(self._record(load, changed, started, report))
        say(f"{report.details}\n{report}\n{report.outcome}", logging.ERROR, of_load=True)
        self._reloader.note(report)

    def is_user_file(self, failed: Generation, file: str) -> bool:
        """Tell whether a file is a user module's, as far as one knows that of a load that has failed."""
        names = [name for name, each in failed.files.items() if each == file]
        if failed.unmarked.intersection(names):
            return False
        serving = self._living.serving
        if (failed is not serving and file in serving.sources) or any(name in failed.modules for name in names):
            return True
        # It is new, and has not come to its end; it may not even compile.
        source = failed.sources.get(file)
        says_so = source is not None and (b"ponyreload" in source.data or b"USE_AUTORELOAD" in source.data)
        return says_so or any(self._modules.is_included(name, file) for name in names)

    @staticmethod
    def _record(load: Load, changed: set[str], started: float, error: LoadError | None = None) -> LoadRecord:
        now = time.monotonic()
        seconds = now - started
        modules = own_seconds(load.generation.runs, now if load.ended is None else load.ended)
        failure = None if error is None else Failure.of(error)
        return LoadRecord(
            load.generation.number, tuple(sorted(changed)), time.time() - seconds, seconds, modules, failure
        )

    def _discard(self, load: Load) -> None:
        """Let go of a generation that will never be served."""
        load.abandon()
        # Most loads end at their next import. One that does not is left to itself: it can do no harm to others.
        load.join(QUIET_SECONDS)
        self._reloader.retire(load.generation)
        with self._news:
            self._loading = None
            self._news.notify_all()

    # -- looking ---------------------------------------------------------------------------------------------

    def _looked(self) -> set[str] | None:
        """Note that the files are looked at now; return which ones need be, None for all.

        To look at those alone that there is news of, and at all of them afterwards, pays where a reload takes less than
        a look.
        """
        with self._news:
            self._looks += 1
            is_used = self._reloader.has_readers or self._loading is not None
            paths = self._lookout.looked(time.monotonic() if is_used else self._last_request())
        return paths if self._living.serving.imports is not None else None

    def _last_request(self) -> float:
        """Return when a request was last known of. Called with the lock held."""
        serving = self._living.serving
        if serving.is_asked:
            serving.is_asked, self._asked_at = False, time.monotonic()
        return self._asked_at

    def _has_changes(self, loading: Generation | None = None) -> bool:
        """Look, if it is time, whether there are changes that the last load has not seen; they stay to be seen."""
        with self._news:
            if not is_due(self._lookout.at):
                return False
            paths = self._looked()  # before the look, or an event that comes during it is lost
        if not self._files.differ(self._living.serving, loading, paths):
            return False
        self._lookout.touch(0)
        return True

    def _changes_within(self, seconds: float) -> bool:
        """Wait for changes up to so many seconds; tell whether there were some."""
        deadline = time.monotonic() + seconds
        while not self.is_stopping and not is_due(deadline):
            self._wait_until(
                lambda: self.is_stopping or is_due(self._lookout.at) or is_due(deadline),
                lambda: (self._lookout.at, deadline),
            )
            if self._has_changes():
                return True
        return False

    def _settle(self, seconds: float) -> None:
        """Wait until there has been no event for so many seconds."""
        deadline = time.monotonic() + seconds
        while not self.is_stopping and not is_due(deadline):
            with self._news:
                if is_due(self._lookout.at):
                    self._lookout.at, deadline = None, time.monotonic() + seconds
            self._wait_until(
                lambda: self.is_stopping or is_due(self._lookout.at) or is_due(deadline),  # noqa: B023
                lambda: (self._lookout.at, deadline),  # noqa: B023 - both are called at once
            )

    def _watch(self) -> None:
        """Watch the folders of what serves, and of what failed to."""
        if self._lookout.watch(self._files.folders(self._living.serving), self._files.options.poll_seconds):
            self._tell_of_unreadable()

    def _tell_of_strangers(self) -> None:
        """Say of each of the project's system modules that has changed that it will not be reloaded."""
        for name, file in self._files.changed_strangers():
            what = f"{shown(file)} changed, but {name} is no user module: only a restart brings it in"
            say(f'{what}; mark it with "from ponyreload import *" to have it reloaded after that', logging.WARNING)

    def _tell_of_unreadable(self) -> None:
        """Say of each marked module that has no source file why it will not be reloaded; once."""
        for name, file in find_unreadable().items():
            if name not in self._told_of:
                self._told_of.add(name)
                why = f"{name} is marked, but has no source file that can be read again ({file})"
                say(f"{why}: it stays as it is; unpack the archive that holds it to have it reloaded", logging.WARNING)
