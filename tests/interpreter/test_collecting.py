"""When Python looks for unreachable objects: not in a load, and not between requests."""

import gc
import sys
import threading
from types import SimpleNamespace

import pytest

from ponyreload.interpreter import collecting
from ponyreload.interpreter.collecting import Collector

APP = """
import gc
from ponyreload import *
seen = gc.get_threshold()
{code}
reloader = use_autoreload()
"""


def test_a_load_puts_collections_off_and_the_process_gets_its_own_numbers_back(project):
    told = project({"app.py": APP.replace("{code}", "")}).drive("""
        import app
        before = gc.get_threshold()
        app.reloader.reload()
        until(lambda: gc.get_threshold() == before)
        tell(before=before[0], meanwhile=sys.modules["app"].seen[0])
    """)
    assert told["before"] < told["meanwhile"] == collecting.YOUNG_OBJECTS


def test_a_load_that_fails_gives_the_numbers_back_too(project):
    site = project(
        {"app.py": APP.replace("{code}", "if reloads: 1 / 0").replace("seen", "reloads = generation() > 1; seen")}
    )
    told = site.drive("""
        import app
        before = gc.get_threshold()
        try:
            app.reloader.reload()
        except Exception as error:
            tell(error=str(error), same=gc.get_threshold() == before)
    """)
    assert told["same"] is True
    assert "division by zero" in told["error"]


@pytest.mark.parametrize("numbers", [(123, 4, 5), (0, 10, 10), (60_000, 10, 10)])
def test_numbers_that_the_application_sets_stay(project, numbers):
    told = project({"app.py": APP.replace("{code}", f"gc.set_threshold(*{numbers})")}).drive("""
        import app
        for _ in range(2):
            app.reloader.reload()
        tell(numbers=gc.get_threshold())
    """)
    assert tuple(told["numbers"]) == numbers


MB = 2**20


@pytest.fixture
def clock(monkeypatch):
    """The time and the size of the process, as the collector sees them."""
    now = SimpleNamespace(at=100.0, size=100 * MB)
    monkeypatch.setattr(collecting, "time", SimpleNamespace(monotonic=lambda: now.at))
    monkeypatch.setattr(collecting, "_memory", lambda: now.size)
    return now


def test_a_collection_waits_for_requests_to_pause(clock):
    collector = Collector()
    collector.retired(asked_at=clock.at)
    assert collector.take(clock.at) == (False, False)
    clock.at = collector.at
    assert clock.at == 100 + collecting.QUIET_SECONDS
    # What came before the retirement does not count; this does.
    asked_at = clock.at
    assert collector.take(asked_at) == (False, False)
    clock.at = collector.at
    assert clock.at == 100 + collecting.QUIET_SECONDS + collecting.LULL_SECONDS
    assert collector.take(asked_at) == (True, False)
    assert collector.at is None
    assert collector.collected_at == clock.at


def waited(clock, collector):
    """Return the seconds until a collection, with requests that never pause."""
    began = clock.at
    while not collector.take(asked_at=clock.at)[0]:
        clock.at = collector.at
    return clock.at - began


def test_a_collection_does_not_wait_for_ever(clock):
    collector = Collector()
    collector.retired(clock.at)
    clock.at += collecting.MOST_SECONDS / 2
    collector.retired(clock.at)
    assert waited(clock, collector) == collecting.MOST_SECONDS / 2


@pytest.mark.parametrize(("size", "growth"), [(100 * MB, 256 * MB), (4096 * MB, 1024 * MB)])
def test_requests_wait_for_a_collection_when_the_process_has_grown_much(clock, size, growth):
    clock.size = size
    collector = Collector()
    clock.size = size + growth - MB
    collector.retired(clock.at)
    assert waited(clock, collector) == collecting.MOST_SECONDS
    clock.size = size + growth
    collector.retired(clock.at)
    assert waited(clock, collector) == collecting.QUIET_SECONDS
    collector.collected()
    # What is there now is no growth.
    collector.retired(clock.at)
    assert waited(clock, collector) == collecting.MOST_SECONDS


def test_reloads_wait_for_a_collection_when_the_process_has_grown_by_twice_that(clock):
    collector = Collector()
    clock.size += 2 * 256 * MB - 1
    collector.retired(clock.at)
    assert not collector.is_burst()
    clock.size += 1
    collector.retired(clock.at)
    assert collector.take(clock.at) == (False, True)
    assert not collector.is_burst()


def test_reloads_wait_for_a_collection_when_many_generations_have_retired(clock):
    collector = Collector()
    for _ in range(collecting.BURST_GENERATIONS - 1):
        collector.retired(clock.at)
    assert not collector.is_burst()
    collector.retired(clock.at)
    assert collector.take(clock.at) == (False, True)
    assert not collector.is_burst()


def test_the_memory_is_that_of_the_process_in_bytes():
    before = collecting._memory()
    held = b"x" * 200_000_000
    grown = collecting._memory() - before
    assert 150_000_000 < grown < 300_000_000
    assert held


def test_where_the_system_does_not_tell_it_is_the_most_there_ever_was(monkeypatch):
    resident = collecting._memory()

    def refuse(*_):
        raise FileNotFoundError

    monkeypatch.setattr(collecting, "open", refuse, raising=False)
    assert resident / 2 < collecting._memory() < 100 * resident
    monkeypatch.setattr(collecting, "resource", None)
    assert collecting._memory() == 0


def test_what_stays_after_a_collection_is_no_reason_for_the_next(project):
    told = project({"app.py": APP.replace("{code}", "")}).drive("""
        import ponyreload.interpreter.collecting
        ponyreload.interpreter.collecting.QUIET_SECONDS = 1000
        ponyreload.interpreter.collecting.MOST_BYTES = 1_000_000
        gc.disable()
        import app
        cache = b"x" * 200_000_000
        whole = []
        gc.callbacks.append(lambda phase, told: whole.append(1) if phase + str(told["generation"]) == "stop2" else None)
        for _ in range(10):
            app.reloader.reload()
            until(lambda: not any(each.name.startswith("ponyreload retires") for each in threading.enumerate()))
        tell(whole=len(whole))
    """)
    assert told["whole"] == 1


# Python's own collections, and those of retired generations, would make objects old as well.
NEW_OBJECTS = """
    import ponyreload.interpreter.collecting
    ponyreload.interpreter.collecting.QUIET_SECONDS = 1000
    gc.disable()
    import app
    {before}
    app.reloader.reload()
    young = gc.get_objects(generation=0) + gc.get_objects(generation=1)
    tell(young=sum(type(each) is app.Mine for each in young), frozen=gc.get_freeze_count() > {most})
"""
MANY = "\nclass Mine: pass\nmine = [Mine() for _ in range(20_000)]"


@pytest.mark.parametrize(("before", "is_frozen"), [("", False), ("gc.freeze()", True)])
def test_python_does_not_look_through_what_a_load_has_made_right_after_it(project, before, is_frozen):
    told = project({"app.py": APP.replace("{code}", MANY)}).drive(
        NEW_OBJECTS.replace("{before}", before).replace("{most}", str(collecting.MOST_IMMORTAL))
    )
    # What the application has frozen stays so; then nothing can be done for the new ones.
    assert told["frozen"] is is_frozen
    assert (told["young"] == 0) is not is_frozen


def test_no_other_thread_sees_objects_frozen_meanwhile():
    """Two calls that a thread may come between let it see that in one of 2,000 tries."""
    ends, seen = threading.Event(), []

    def look():
        while not ends.is_set():
            if gc.get_freeze_count() > collecting.MOST_IMMORTAL:
                seen.append(True)

    watcher = threading.Thread(target=look)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        watcher.start()
        for _ in range(50_000):
            collecting._call_all_old()
    finally:
        ends.set()
        watcher.join()
        sys.setswitchinterval(before)
    assert not seen
