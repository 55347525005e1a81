"""A scan, step by step: what changes while it is under way is found by it or by the next one."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from driving import until
from ponyreload.code.sources import Source, Sources
from ponyreload.generations.generation import Generation
from ponyreload.options.options import Options
from ponyreload.watching.files import Files

PATIENCE = 10.0


class InterruptedSources(Sources):
    """Has something happen in another thread, once: after all files of a scan have been read, or before each one is.

    Attributes:
        after_scan, before_read: What happens.
        scanned: The files of the last scan.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scanned: set[str] = set()
        self.after_scan: Callable[[], object] | None = None
        self.before_read: Callable[[], object] | None = None

    def digests(self, files: Iterable[str]) -> dict[str, object]:
        found = super().digests(files)
        self.scanned = set(found)
        happens, self.after_scan = self.after_scan, None
        if happens is not None:
            elsewhere(happens)
        return found

    def read(self, file: str) -> Source:
        happens, self.before_read = self.before_read, None
        if happens is not None:
            elsewhere(happens)
        return super().read(file)


def elsewhere(do: Callable[[], object]) -> None:
    """Do something in another thread, and wait for its end."""
    thread = threading.Thread(target=do, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive()


class Shop:
    """An application of one module, with one extra file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sources = InterruptedSources()
        self.files = Files(self.sources)
        self.module = self.save("shop.py", "X = 1")
        self.page = self.save("pages/one.html", "one")
        self.serving = Generation(1)
        self.load(self.serving)
        self.files.add_options(Options(extra_files=(f"{folder}/pages",)))
        assert self.scan() == set()

    def save(self, name: str, text: str) -> str:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return str(path)

    def load(self, generation: Generation) -> None:
        generation.sources[self.module] = self.sources.read(self.module)
        generation.files["shop"] = self.module

    def fail(self) -> None:
        """Have a load of what is there now fail."""
        self.load(failed := Generation(2))
        self.files.failed(failed)

    def scan(self) -> set[str]:
        return self.files.changes(self.serving)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


# -- extra files -------------------------------------------------------------------------------------------------


def test_an_extra_file_that_is_deleted_during_a_scan_is_found_by_the_next_one(shop):
    shop.sources.after_scan = lambda: os.unlink(shop.page)
    assert shop.scan() == set()
    assert shop.scan() == {shop.page}
    assert shop.scan() == set()


def test_an_extra_file_that_is_deleted_during_a_load_overtakes_it(shop):
    os.unlink(shop.page)
    loading = Generation(2)
    shop.load(loading)
    assert shop.files.differ(shop.serving, loading)
    assert shop.scan() == {shop.page}
    assert not shop.files.differ(shop.serving, loading)


def test_an_extra_file_that_comes_and_is_deleted_is_each_time_a_change(shop):
    more = shop.save("pages/two.html", "two")
    assert shop.scan() == {more}
    os.unlink(more)
    assert shop.scan() == {more}
    assert shop.save("pages/two.html", "two") == more
    assert shop.scan() == {more}
    assert shop.scan() == set()


def test_an_extra_file_that_is_gone_is_scanned_until_a_generation_without_it_serves(shop):
    os.unlink(shop.page)
    assert [shop.scan(), shop.scan()] == [{shop.page}, set()]
    assert shop.page in shop.sources.scanned
    shop.load(loaded := Generation(2))
    shop.files.served(loaded)
    assert shop.files.changes(loaded) == set()
    assert shop.sources.scanned == {shop.module}


# -- options that are added during a scan ------------------------------------------------------------------------


def test_an_extra_file_that_is_named_during_a_scan_counts_as_known(shop):
    text = shop.save("texts/hello.txt", "hello")
    shop.sources.after_scan = lambda: shop.files.add_options(Options(extra_files=(text,)))
    assert shop.scan() == set()
    assert shop.scan() == set()
    shop.fail()
    assert shop.files.are_as_served(shop.serving)
    shop.save("texts/hello.txt", "goodbye")
    assert shop.scan() == {text}


def test_an_extra_file_that_is_named_during_a_load_counts_as_known_after_it(shop):
    text = shop.save("texts/hello.txt", "hello")
    page = shop.save("pages/one.html", "other")
    assert shop.scan() == {page}
    shop.load(loaded := Generation(2))
    shop.files.add_options(Options(extra_files=(text,)))
    shop.files.served(loaded)
    assert shop.files.changes(loaded) == set()
    os.unlink(text)
    assert shop.files.changes(loaded) == {text}


class NotedLock:
    """A lock that tells when a thread waits for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.is_awaited = threading.Event()

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            self.is_awaited.set()
            self._lock.acquire()

    def __exit__(self, *exception: object) -> None:
        self._lock.release()


def test_options_that_two_threads_add_at_once_are_all_kept(shop):
    files = shop.files
    files.lock = lock = NotedLock()
    other = threading.Thread(target=lambda: files.add_options(Options(include=("other",))), daemon=True)

    class Interrupted(Options):
        def joined(self, options: Options) -> Options:
            if not other.ident:
                other.start()
                until(lambda: lock.is_awaited.is_set() or not other.is_alive())
            return super().joined(options)

    files.options = Interrupted()
    files.add_options(Options(include=("shop",)))
    other.join(PATIENCE)
    assert files.options.include == ("shop", "other")


# -- files that go away ------------------------------------------------------------------------------------------


def test_a_changed_file_that_is_renamed_away_while_it_is_checked_is_not_empty(shop, monkeypatch):
    stat = os.stat

    def rename_after(path, **options):
        status = stat(path, **options)
        if path == shop.module:
            os.rename(path, path + "~")
        return status

    shop.save("shop.py", "X = 2")
    monkeypatch.setattr(os, "stat", rename_after)
    assert not shop.files.any_is_empty({shop.module})
    monkeypatch.undo()
    assert shop.scan() == {shop.module}


def test_only_a_file_that_is_there_can_be_empty(shop):
    empty = shop.save("empty.py", "")
    assert shop.files.any_is_empty({shop.module, empty})
    assert not shop.files.any_is_empty({shop.module, f"{shop.folder}/gone.py", str(shop.folder)})


# -- requests that import during a scan --------------------------------------------------------------------------


class Interrupted(str):
    """A path without suffix of a module that is looked for; something happens when that is done."""

    __slots__ = ("happens",)

    def __add__(self, suffix: str) -> str:
        elsewhere(self.happens)
        return str(self) + suffix


def test_a_request_may_import_a_module_while_the_files_are_compared(shop):
    late = shop.save("late.py", "")
    shop.fail()
    shop.sources.before_read = lambda: shop.serving.sources.setdefault(late, Source(late, b""))
    assert shop.files.are_as_served(shop.serving)
    assert late in shop.serving.sources


@pytest.mark.parametrize("compare", ["are_as_served", "changes", "differ"])
def test_a_request_may_look_for_a_module_in_vain_while_the_files_are_compared(shop, compare):
    for name in ("one", "two"):
        base = Interrupted(shop.folder / name)
        base.happens = lambda: shop.serving.missing.add(f"base{len(shop.serving.missing)}")
        shop.serving.missing.add(base)
    shop.fail()
    getattr(shop.files, compare)(shop.serving)
    assert len(shop.serving.missing) == 4
