"""When Python looks for unreachable objects: not in a load, and not between requests."""

from types import SimpleNamespace

import pytest

from ponyreload import collecting
from ponyreload.collecting import Collector

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


def test_a_collection_waits_for_requests_to_pause_but_not_for_ever(monkeypatch):
    now = 100.0
    monkeypatch.setattr(collecting, "time", SimpleNamespace(monotonic=lambda: now))
    serving = SimpleNamespace(is_asked=True)
    collector = Collector()
    collector.retired(serving)
    assert collector.take(serving) == (False, False)
    now = collector.at
    # What came before the retirement does not count; this does.
    serving.is_asked = True
    assert collector.take(serving) == (False, False)
    now = collector.at
    assert collector.take(serving) == (True, False)
    assert collector.at is None

    collector.retired(serving)
    began = now
    while not collector.take(serving)[0]:
        now = collector.at
        serving.is_asked = True
    assert now - began == collecting.MOST_SECONDS


def test_a_collection_comes_when_many_generations_have_retired():
    serving = SimpleNamespace(is_asked=False)
    collector = Collector()
    for _ in range(collecting.MOST_GENERATIONS - 1):
        collector.retired(serving)
    assert not collector.is_burst()
    collector.retired(serving)
    assert collector.take(serving) == (False, True)
    assert not collector.is_burst()
