"""The living generations: which one serves, and what holds one back from its retirement, in each order of events."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ponyreload.generations.context import is_on, publish
from ponyreload.generations.lease import Lease
from ponyreload.generations.living import Living

PATIENCE = 10.0


@pytest.fixture
def living() -> Iterator[Living]:
    living = Living()
    publish(living.serving)
    yield living
    publish(None)
    is_on.clear()


class Leases(set):
    """Those of a generation, with something that happens before one is entered, or after that."""

    def __init__(self, before: Callable[[], object] = int, after: Callable[[], object] = int) -> None:
        self._happens = iter([before, after])

    def add(self, lease: Lease) -> None:
        next(self._happens, int)()
        super().add(lease)
        next(self._happens, int)()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_lease_is_of_the_generation_that_serves_when_it_is_given(living, moment):
    first, second = living.serving, living.begin()
    first.leases = Leases(**{moment: lambda: living.supersede(second)})
    lease = living.lease({})
    assert lease.generation is second
    assert (first.leases, second.leases) == (set(), {lease})
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
    living.lease({})
    waits.join(PATIENCE)
    assert not waits.is_alive()


def test_a_superseded_generation_is_idle_when_its_last_lease_ends(living):
    first, second = living.serving, living.begin()
    leases = [living.lease({}) for _ in range(2)]
    assert living.supersede(second) is first
    found = [living.idle()]
    for lease in leases:
        living.release(lease)
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
    lease = living.lease({})
    living.supersede(living.begin())

    def collect() -> None:
        with living.lock:
            living.release(lease)

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_held_are_superseded_generations_with_requests_until_that_is_told(living):
    first, second = living.lease({}).generation, living.begin()
    found = [living.held()]
    living.supersede(second)
    living.lease({})
    found.append(living.held())
    first.has_named_requests = True
    found.append(living.held())
    assert found == [[], [first], []]


def test_generations_are_numbered_as_they_serve(living):
    given_up, loaded = living.begin(), living.begin()
    assert (given_up.number, loaded.number) == (2, 2)  # only one of them will be known by it
    living.remove(given_up)
    living.supersede(loaded)
    assert living.begin().number == 3


def test_a_lease_knows_its_request(living):
    environ = {"REQUEST_METHOD": "POST", "SCRIPT_NAME": "/shop", "PATH_INFO": "/cart"}
    before = time.monotonic()
    lease = living.lease(environ)
    assert (lease.generation, lease.environ, lease.line) == (living.serving, environ, "POST /shop/cart")
    assert before <= lease.started <= time.monotonic()


def test_a_forked_process_has_the_leases_of_the_thread_that_forked_alone(living):
    mine, others = living.lease({}), []
    thread = threading.Thread(target=lambda: others.append(living.lease({})))
    thread.start()
    thread.join(PATIENCE)
    assert living.serving.leases == {mine, *others}
    with living.lock:
        living.begin_in_child()
    assert living.serving.leases == {mine}
