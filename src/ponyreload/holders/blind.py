"""Blind spots: what the collector does not see that an object holds.

It passes by objects that it need not track: of a class with empty slots, or a `msgspec.Struct` of numbers. These hold
their class. And it does not look into the `datetime` and `time` objects of Python's own C code, which hold a `tzinfo`.
A tuple or a dict of such objects only is not tracked either.
"""

from __future__ import annotations

import gc
import sys
from collections import deque
from collections.abc import Callable, Container, Iterable
from itertools import compress, filterfalse
from types import ModuleType
from typing import Any

from ponyreload.generations.generation import Generation
from ponyreload.holders.objects import belongs, key_of
from ponyreload.holders.roots import Kind, Root
from ponyreload.interpreter.attributes import is_made_in_python, namespace_of_class, namespace_of_module
from ponyreload.interpreter.private import imported

__all__ = ["chains_in", "connection_of", "cycle_of"]

CONTAINERS = frozenset(map(key_of, (tuple, dict)))
REASON = "{what} is the tzinfo of a datetime, into which Python's collector does not look; make it in a system module"


def chains_in(things: Iterable[object], seen: Container[int]) -> list[list[object]]:
    """Return the ways from blind ones among *things* to something that the collector tracks and that is not in *seen*.

    Of several objects of one class, one is enough, and so is one of several with the same tzinfo.
    """
    chains: dict[int, list[object]] = {}
    levels = [list(things)]
    while levels[-1]:
        for start in _starts(levels[-1], seen):
            chain = [start]
            while (held := _held_by(chain[-1])) is not None:
                chain.append(held)
            if key_of(chain[-1]) not in seen and key_of(chain[-1]) not in chains:
                chains[key_of(chain[-1])] = _way_to(start, levels) + chain[1:]
        levels.append(gc.get_referents(*_untracked_containers(levels[-1])))
    return list(chains.values())


def _starts(things: list[object], seen: Container[int]) -> list[object]:
    """Return the objects that may be blind. Done in C, but for one of each class."""
    by_kind = dict(zip(map(key_of, map(type, things)), things, strict=True))
    starts = [each for key, each in by_kind.items() if key not in seen]
    if any(_holds_tzinfo(type(each)) for each in by_kind.values()):
        starts += [each for each in things if _tzinfo_of(each) is not None]
    return [each for each in starts if _held_by(each) is not None]


def _untracked_containers(things: list[object]) -> list[object]:
    untracked = list(filterfalse(gc.is_tracked, things))
    return list(compress(untracked, map(CONTAINERS.__contains__, map(key_of, map(type, untracked)))))


def _way_to(thing: object, levels: list[list[object]]) -> list[object]:
    """Return the containers that hold one another and last *thing*, which is in the last of *levels*, and that."""
    way = [thing]
    for level in reversed(levels[:-1]):
        holders = _untracked_containers(level)
        holder = next((each for each in holders if any(part is way[-1] for part in gc.get_referents(each))), None)
        if holder is None:
            break  # another thread has changed it; who asks for the whole way does not find its beginning
        way.append(holder)
    return way[::-1]


def cycle_of(generation: Generation, seen: Container[int]) -> tuple[type, Root, list[object]] | None:
    """Return the way from a module of *generation*, which nothing in *seen* leads to, to a tzinfo of its own.

    That leads back to the module by its functions, so none of them is ever freed.

    Returns:
        The class of the tzinfo, where the way begins, and the way.
    """

    def has_own_tzinfo(thing: object) -> bool:
        tzinfo = _tzinfo_of(thing)
        return tzinfo is not None and belongs(tzinfo, generation)

    found = _way_within(generation, seen, has_own_tzinfo)
    if found is None:
        return None
    tzinfo = _tzinfo_of(found[1][-1])
    return type(tzinfo), found[0], [*found[1], tzinfo]


def connection_of(generation: Generation, seen: Container[int]) -> tuple[type, Root, list[object]] | None:
    """Return the way to a connection of `sqlite3`, in the same form. It may have functions, which nobody can see."""
    sqlite = imported("sqlite3")
    if sqlite is None:
        return None
    found = _way_within(generation, seen, lambda thing: issubclass(type(thing), sqlite.Connection))
    return None if found is None else (sqlite.Connection, *found)


def _way_within(
    generation: Generation, seen: Container[int], is_wanted: Callable[[object], bool]
) -> tuple[Root, list[object]] | None:
    """Return the way from a module of *generation* to an object that is wanted, by what is not in *seen*."""
    # A module may have put another object in its place.
    begins = {name: each for name, each in generation.modules.copy().items() if issubclass(type(each), ModuleType)}
    spaces = {name: namespace_of_module(each) for name, each in begins.items()}
    roots = {key_of(space): Root(space, name, REASON, Kind.NAMESPACE) for name, space in spaces.items()}
    # Each object that was met, and the one that has led to it.
    met: dict[int, tuple[object, Any]] = {key: (root.thing, None) for key, root in roots.items()}
    todo = deque(root.thing for root in roots.values())
    while todo:
        thing = todo.popleft()
        for each in gc.get_referents(thing):
            if is_wanted(each):
                path = [each, thing]
                while (before := met[key_of(path[-1])][1]) is not None:
                    path.append(before)
                return roots[key_of(path[-1])], path[::-1]
            key = key_of(each)
            may_lead_on = gc.is_tracked(each) or key_of(type(each)) in CONTAINERS
            if key not in met and key not in seen and may_lead_on:
                met[key] = each, thing
                todo.append(each)
    return None


def _held_by(thing: object) -> object | None:
    """Return what *thing* holds unseen; None if there is nothing that could be of a generation."""
    tzinfo = _tzinfo_of(thing)
    if tzinfo is None and is_made_in_python(type(thing)) and not gc.is_tracked(thing):
        return type(thing)
    return tzinfo


def _holds_tzinfo(kind: type) -> bool:
    datetime = imported("datetime")  # or nobody has one
    return datetime is not None and (issubclass(kind, datetime.datetime) or issubclass(kind, datetime.time))


def _tzinfo_of(thing: Any) -> object | None:
    kind = type(thing)
    if not _holds_tzinfo(kind):
        return None
    datetime: Any = sys.modules["datetime"]
    base = datetime.datetime if issubclass(kind, datetime.datetime) else datetime.time
    tzinfo: object | None = namespace_of_class(base)["tzinfo"].__get__(thing)
    return tzinfo
