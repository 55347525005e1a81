"""The walk over all references that the collector sees, from what is always there to the generations wanted."""

from __future__ import annotations

import gc
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from itertools import compress, islice, repeat
from operator import gt, not_, sub
from types import CellType
from typing import Any, NamedTuple

from ponyreload.generations.context import MARK
from ponyreload.generations.generation import Generation
from ponyreload.holders.blind import chains_in, connection_of, cycle_of
from ponyreload.holders.objects import key_of
from ponyreload.holders.roots import Kind, Root, is_our_type, our_modules, passed_by, root_of_ours

__all__ = ["Target", "Walk", "Way"]

# So many objects are looked at in one step, in which no other thread can run: about a millisecond.
CHUNK = 1000
UNSEEN = "something the collector cannot see (C code: atexit, an extension module, or a call in progress)"


class Target(NamedTuple):
    """What is looked for: a retired generation, or a class that is left of it; and what that is of, for the caller."""

    thing: object
    of: Any


class Way(NamedTuple):
    """How a target was met: what lies on the way, from the root's own object to the target."""

    target: Target
    root: Root
    path: list[object]


class Begin(NamedTuple):
    """Where a way begins, and what lies on it before the first object of a go."""

    root: Root
    before: list[object]


class Levels:
    """What a walk has met in one go, by the number of steps from where that began.

    Args:
        first: What it began with.
        begin_of: Returns how one of these was come to; None if that has changed.
    """

    def __init__(self, first: list[object], begin_of: Callable[[object], Begin | None]) -> None:
        self.begin_of = begin_of
        # levels[2] has what is two steps away. starts[2] has where that begins in it to which each chunk of levels[1]
        # has led, so that the way back has to look at one chunk in each level.
        self.levels = [first]
        self.starts = [[0]]

    def way_to(self, depth: int, index: int) -> list[object] | None:
        """Return the way to what is at *index* of level *depth*, or None if it is not there any more."""
        path = [self.levels[depth][index]]
        for above in range(depth - 1, -1, -1):
            at = self.find(above, (bisect_right(self.starts[above + 1], index) - 1) * CHUNK, path[-1])
            if at is None:
                return None
            path.append(self.levels[above][at])
            index = at
        return path[::-1]

    def find(self, depth: int, begin: int, thing: object) -> int | None:
        """Return the index of what refers to *thing* in the chunk of level *depth* at *begin*."""
        for at, holder in enumerate(self.levels[depth][begin : begin + CHUNK], begin):
            if any(each is thing for each in gc.get_referents(holder)):
                return at
        return None

    def full_way(self, depth: int, index: int) -> tuple[Root, list[object]] | None:
        """Return the root, and the way from it."""
        path = self.way_to(depth, index)
        begin = None if path is None else self.begin_of(path[0])
        return None if path is None or begin is None else (begin.root, [*begin.before, *path])


class Walk:
    """A breadth-first walk along references, in several goes, each where those before have not been.

    It passes by objects of ponyreload's own types, which lead everywhere, and what variables of its callers hold.
    Objects are told apart by identity, so that no user code compares them. All that was met stays alive until the
    walk is let go of, so that no other object gets its place. What is done for each reference is done in C: at a
    million objects, a line of Python for each would take longer than all the rest.

    Attributes:
        targets: Those that were not met yet, by the keys of their things. One of several of a generation is enough.
        ways: The ways to those that were.
        connections: Ways from modules of generations that were not met to a connection of `sqlite3`.
        has_lost: Whether a way was changed by another thread before it was known.
    """

    def __init__(self, wanted: Iterable[Target]) -> None:
        self.targets = {key_of(each.thing): each for each in wanted}
        self.ways: list[Way] = []
        self.connections: list[Way] = []
        self.has_lost = False
        # What was met of ponyreload's own; and the keys of it, and of all else that is passed by.
        self._ours: list[object] = our_modules()
        self._passed = {*map(key_of, self._ours), *passed_by()} - self.targets.keys()
        self._goes_into_ours = False
        # All that was met, in that order, by its key; and without the object, what is passed by.
        self._seen: dict[int, object] = dict.fromkeys(self._passed)
        self._met: list[Levels] = []
        # How many of these were searched for what the collector does not see through; the roots that are such.
        self._searched = 0
        self._blind_roots: list[Root] = []
        # The types that were met, by their keys, and the keys of ponyreload's own.
        self._types: dict[int, type] = {}
        self._our_types: set[int] = set()

    def end(self) -> None:
        """Let go of all that was met, of which the walk's own tables may be."""
        for table in (self._seen, self._met, self._ours, self.ways, self.connections, self.targets):
            table.clear()

    # -- where to begin --------------------------------------------------------------------------------------

    def go(self, roots: Iterable[Root]) -> None:
        """Walk from *roots* until all targets were met, or there is no more to see."""
        # The first of several roots at one object counts.
        named = {key_of(root.thing): root for root in reversed(list(roots))}
        self._blind_roots = [root for root in named.values() if not gc.is_tracked(root.thing)]
        self._go([root.thing for root in reversed(named.values())], lambda thing: Begin(named[key_of(thing)], []))

    def go_through_blind(self) -> None:
        """Walk on from what was met through what the collector does not see, until that leads to nothing new."""
        begins: dict[int, Callable[[], Begin | None]] = {}
        things: list[object] = []

        def note(chain: list[object], begin: Callable[[], Begin | None]) -> None:
            if key_of(chain[-1]) not in begins:
                begins[key_of(chain[-1])] = begin
                things.append(chain[-1])

        for root in self._blind_roots:
            for chain in chains_in([root.thing], self._seen):
                note(chain, partial(Begin, root, chain[:-1]))
        self._blind_roots = []
        while self._searched < len(self._met):
            met = self._met[self._searched]
            self._searched += 1
            for depth, level in enumerate(met.levels):
                for at in range(0, len(level), CHUNK):
                    for chain in chains_in(gc.get_referents(*level[at : at + CHUNK]), self._seen):
                        note(chain, partial(_begin_at, met, depth, at, chain[:-1]))
        if things and self.targets:
            self._go(things, lambda thing: begins[key_of(thing)]())
            self.go_through_blind()

    def find_cycles(self) -> None:
        """Take those of the generations that were not met of which a cycle goes through what the collector misses."""
        for target in [each for each in self.targets.values() if type(each.thing) is Generation]:
            cycle = cycle_of(target.thing, self._seen)  # type: ignore[arg-type]
            if cycle is not None:
                del self.targets[key_of(target.thing)]
                self.ways.append(Way(Target(cycle[0], target.of), *cycle[1:]))
                continue
            connection = connection_of(target.thing, self._seen)  # type: ignore[arg-type]
            if connection is not None:
                self.connections.append(Way(Target(connection[0], target.of), *connection[1:]))

    def go_into_unseen(self) -> None:
        """Walk from what was not met, and is held all the same.

        But not by way of the lists and other places where ponyreload's functions have generations to work on.
        """
        held = self._unexplained()
        generations = [each.thing for each in self.targets.values() if type(each.thing) is Generation]
        lists = [each for each in gc.get_referrers(*generations) if _is_for_work(each)]
        fresh = [key_of(each) for each in lists if key_of(each) not in self._seen]
        self._seen.update(dict.fromkeys(fresh))
        self._go(held, lambda thing: Begin(Root(thing, UNSEEN, kind=Kind.UNNAMED), []))
        for key in fresh:
            del self._seen[key]

    def go_into_ours(self) -> None:
        """Walk from the objects of ponyreload itself that were passed by."""
        self._goes_into_ours = True
        for each in self._ours:
            self._seen.pop(key_of(each), None)
        self._go(self._ours, lambda thing: Begin(root_of_ours(thing), []))

    def _unexplained(self) -> list[object]:
        """Return what was not met, and has more references than from objects that were not met either.

        That is how the collector itself finds out what is alive.
        """
        # What is passed by may be what explains a reference.
        for key in self._passed:
            self._seen.pop(key, None)
        everything = gc.get_objects()
        rest: list[object] = []
        for at in range(0, len(everything), CHUNK):
            part = everything[at : at + CHUNK]
            rest += compress(part, map(not_, map(self._seen.__contains__, map(key_of, part))))
        del everything, part  # or these would count as holders
        self._seen.update(dict.fromkeys(self._passed))
        # The walk's own tables refer to all that it has met.
        own = {key_of(self._seen), *(key_of(level) for met in self._met for level in met.levels)}
        rest = [each for each in rest if key_of(each) not in own]
        inside: Counter[int] = Counter()
        for at in range(0, len(rest), CHUNK):
            inside.update(map(key_of, filter(gc.is_tracked, gc.get_referents(*rest[at : at + CHUNK]))))
        # Nothing else holds this one, so its count is what the counting itself makes.
        rest.append([])
        counts = list(map(sys.getrefcount, rest))
        known = map(inside.get, map(key_of, rest), repeat(0))
        held = compress(rest, map(gt, map(sub, counts, repeat(counts[-1])), known))
        # These are what a caller asks about.
        return [each for each in held if type(each) is not Generation and key_of(each) not in self.targets]

    # -- going -----------------------------------------------------------------------------------------------

    def _go(self, things: Iterable[object], begin_of: Callable[[object], Begin | None]) -> None:
        level = self._new(things)
        met = Levels(level, begin_of)
        self._met.append(met)
        self._meet(met, level)
        while level and self.targets:
            following: list[object] = []
            begins: list[int] = []
            met.levels.append(following)
            met.starts.append(begins)
            for at in range(0, len(level), CHUNK):
                begins.append(len(following))
                new = self._new(gc.get_referents(*level[at : at + CHUNK]))
                following += new
                self._meet(met, new)
            level = following

    def _new(self, things: Iterable[object]) -> list[object]:
        """Return those of *things* that are met for the first time, and are not to be passed by."""
        tracked = list(filter(gc.is_tracked, things))
        before = len(self._seen)
        self._seen.update(dict(zip(map(key_of, tracked), tracked, strict=True)))
        # What a dict did not have stands at its end.
        new = list(islice(reversed(self._seen.values()), len(self._seen) - before))
        new.reverse()
        keys = set(map(key_of, map(type, new)))
        if not self._types.keys() >= keys:
            unknown = {key_of(type(each)): type(each) for each in new if key_of(type(each)) not in self._types}
            self._types |= unknown
            self._our_types.update(key for key, each in unknown.items() if is_our_type(each))
        if not self._goes_into_ours and not self._our_types.isdisjoint(keys):
            ours = [each for each in new if key_of(type(each)) in self._our_types]
            self._ours += ours
            self._passed.update(map(key_of, ours))
            new = [each for each in new if key_of(type(each)) not in self._our_types]
        return new

    def _meet(self, met: Levels, new: list[object]) -> None:
        """Take the targets among *new*, the end of the last level, and tell their ways."""
        for key in [key for key in self.targets if key in self._seen]:
            target = self.targets.pop(key, None)
            if target is None:
                continue  # another one of its generation was met
            self.targets = {key: each for key, each in self.targets.items() if each.of is not target.of}
            index = len(met.levels[-1]) - len(new) + list(map(key_of, new)).index(key)
            way = met.full_way(len(met.levels) - 1, index)
            if way is None:
                self.has_lost = True
            else:
                self.ways.append(Way(target, *way))


def _begin_at(met: Levels, depth: int, chunk: int, chain: list[object]) -> Begin | None:
    """Return how the first of *chain* was come to, which something in a chunk of a level has led to."""
    index = met.find(depth, chunk, chain[0])
    way = None if index is None else met.full_way(depth, index)
    return None if way is None else Begin(way[0], [*way[1], *chain])


def _is_for_work(thing: Any) -> bool:
    """Tell whether what has a generation in it is of no other use: neither a namespace nor an object."""
    kind = type(thing)
    is_plain = kind is list or kind is tuple or kind is set or kind is CellType
    return is_plain or (kind is dict and not dict.__contains__(thing, MARK))
