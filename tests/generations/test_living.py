"""The living generations: which one serves, and what holds one back from its retirement, in each order of events."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from ponyreload.generations.context import is_on, publish
from ponyreload.generations.living import Living

PATIENCE = 10.0


@pytest.fixture
def living() -> Iterator[Living]:
    living = Living()
    publish(living.serving)
    yield living
    publish(None)
    is_on.clear()


class Leases(list):
    """Those of a generation, with something that happens before one is entered, or after that."""

    def __init__(self, before: Callable[[], object] = int, after: Callable[[], object] = int) -> None:
        self._happens = iter([before, after])

    def append(self, lease: None) -> None:
        next(self._happens, int)()
        super().append(lease)
        next(self._happens, int)()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_lease_is_of_the_generation_that_serves_when_it_is_given(living, moment):
    first, second = living.serving, living.begin()
    first.leases = Leases(**{moment: lambda: living.supersede(second)})
    assert living.lease() is second
    assert (first.leases, second.leases) == ([], [None])
    assert living.idle() == [first]


def test_who_waits_for_a_generation_to_be_idle_hears_of_the_lease_that_came_too_late(living):
    first, second = living.serving, living.begin()
    is_held = threading.Event()

    def is_idle() -> bool:
        if living.serving is second and first.leases:
            is_held.set()
        return first in living.idle()

    def wait() -> None:
        with living.news:
            living.news.wait_for(is_idle)

    waits = threading.Thread(target=wait, daemon=True)

    def supersede() -> None:
        living.supersede(second)
        waits.start()  # it finds the lease, and has nothing more to wake it up than the end of that
        assert is_held.wait(PATIENCE)

    first.leases = Leases(after=supersede)
    living.lease()
    waits.join(PATIENCE)
    assert not waits.is_alive()


def test_a_superseded_generation_is_idle_when_its_last_lease_ends(living):
    first, second = living.lease(), living.begin()
    assert living.lease() is first
    assert living.supersede(second) is first
    found = [living.idle()]
    for _ in range(2):
        living.release(first)
        found.append(living.idle())
    assert found == [[], [], [first]]


def test_a_generation_that_serves_or_is_being_loaded_is_not_idle(living):
    loading = living.begin()
    assert living.all() == (living.serving, loading)
    assert living.idle() == []


def test_one_alone_may_retire_a_generation(living):
    first = living.serving
    living.supersede(living.begin())
    assert [living.claim(first), living.claim(first)] == [True, False]
    assert living.idle() == []  # it is being seen to
    assert living.all() == (first, living.serving)
    living.remove(first)
    assert living.all() == (living.serving,)


def test_the_collector_may_end_a_lease_while_its_thread_has_the_lock(living):
    first = living.lease()
    living.supersede(living.begin())

    def collect() -> None:
        with living.lock:
            living.release(first)

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_held_are_superseded_generations_with_requests_until_that_is_told(living):
    first, second = living.lease(), living.begin()
    found = [living.held()]
    living.supersede(second)
    living.lease()
    found.append(living.held())
    first.is_told = True
    found.append(living.held())
    assert found == [[], [first], []]


def test_generations_are_numbered_as_they_serve(living):
    given_up, loaded = living.begin(), living.begin()
    assert (given_up.number, loaded.number) == (2, 2)  # only one of them will be known by it
    living.remove(given_up)
    living.supersede(loaded)
    assert living.begin().number == 3
