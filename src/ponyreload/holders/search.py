"""Holders: what keeps a retired generation in memory."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ponyreload.generations.generation import Generation
from ponyreload.holders.objects import key_of
from ponyreload.holders.remains import Remains
from ponyreload.holders.roots import Kind, roots_of_modules, roots_of_registries, roots_of_threads, script_runs
from ponyreload.holders.walk import Target, Walk, Way
from ponyreload.holders.words import in_words

__all__ = ["Holder", "holder_of_each"]

# How often a search is made, if another thread changes what was found before it is put into words.
ATTEMPTS = 3
# One search at a time: the lists of one search hold what it has met, and a second search would find them. One lock for
# each process, because a forked process may find its parent's lock held:  {1234: <lock>}
_searching: dict[int, threading.Lock] = {}


class Holder(NamedTuple):
    """What keeps a retired generation alive. It is text only, so it keeps nothing alive itself.

    Sample row: ``Holder(3, ("shop_registry.CACHE['order']", "shop.models.Order"), "generation 3 is kept alive by …")``.

    Attributes:
        generation: The number of the generation.
        path: The way to it: the holder, what lies between, and last the first object of the generation.
        text: All of it as a sentence.
    """

    generation: int
    path: tuple[str, ...]
    text: str


def holder_of_each(
    generations: Sequence[Generation | Remains], living: Iterable[Generation] = ()
) -> list[Holder | None]:
    """Return the nearest holder of each of these generations, or of what is left of it; None if nothing holds that.

    Not reported are variables of ponyreload's functions that are calling this; a cycle that waits for the collector;
    that ponyreload keeps the last generation of which the load failed; and what holds generation 1 while the script
    that it was adopted from runs, because the script holds it whatever else does.

    Args:
        generations: Generations that have been retired, or what is left of them.
        living: Those that have not. What their modules hold of an older one is reported as theirs.

    No code of the application is called, and nothing of it is changed. Other threads go on; what they change
    meanwhile may be seen or not. Not for the request path: a million objects take about half a second, in steps of
    milliseconds. Safe to call from any thread.
    """
    # By the keys of generations, because one whose load failed has the number of the next.
    found: dict[int, Holder] = {}
    with _searching.setdefault(os.getpid(), threading.Lock()):
        others = [each for each in living if not any(each is retired for retired in generations)]
        wanted = [each for each in generations if not any(map(_is_of_script, _in_memory(each)))]
        for _ in range(ATTEMPTS):
            if not wanted or not _look(wanted, others, found):
                break
            wanted = [each for each in wanted if key_of(each) not in found]
    return [found.get(key_of(each)) for each in generations]


def _of_connection(way: Way) -> str:
    path, _ = in_words(way.target.thing, way.root, way.path)
    words = " -> ".join(path[:-1])
    return f"it may be a function of the sqlite3 connection {words}; close that in an @on_retire function"


def _in_memory(wanted: Generation | Remains) -> Sequence[object]:
    return (wanted,) if type(wanted) is Generation else wanted.in_memory()  # type: ignore[union-attr]


def _is_of_script(thing: object) -> bool:
    return type(thing) is Generation and script_runs(thing)


def _look(wanted: Sequence[Generation | Remains], living: Sequence[Generation], found: dict[int, Holder]) -> bool:
    """Search once; enter what was found. Tell whether to search again, because a way got lost."""
    walk = Walk(Target(thing, each) for each in wanted for thing in _in_memory(each))
    try:
        walk.go([*roots_of_modules(living), *roots_of_registries(), *roots_of_threads()])
        if walk.targets:
            walk.go_through_blind()
            walk.find_cycles()
        if walk.targets:
            walk.go_into_unseen()
            walk.go_through_blind()
        # Of a load that failed, ponyreload keeps what it read and why it failed until the next one.
        walk.targets = {key: each for key, each in walk.targets.items() if each.of.published}
        if walk.targets:
            walk.go_into_ours()
        for way in walk.ways:
            kept = way.target.of
            path, reason = in_words(way.target.thing, way.root, way.path)
            if way.root.kind is Kind.UNNAMED:
                reason = next((_of_connection(each) for each in walk.connections if each.target.of is kept), reason)
            name = f"generation {kept.number}{'' if kept.published else ', which was never served,'}"
            text = f"{name} is kept alive by {' -> '.join(path)}{f' ({reason})' if reason else ''}"
            found[key_of(kept)] = Holder(kept.number, path, text)
        return walk.has_lost
    finally:
        walk.end()
