"""Views: a list of which each generation may have its own, such as the handlers of a logger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ponyreload.generations.context import calling, entered_generation, published
from ponyreload.generations.generation import Generation
from ponyreload.ownership.makers import Maker, maker

__all__ = ["View"]

# Code that works on such a list for others.
THROUGH = ("logging", "ponyreload.ownership.logs")
READS = (
    "__add__", "__contains__", "__eq__", "__getitem__", "__len__", "__ne__", "__repr__", "__reversed__", "copy",
    "count", "index",
)  # fmt: skip
WRITES = (
    "__delitem__", "__iadd__", "__setitem__", "append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort",
)  # fmt: skip


class View(list[Any]):
    """A list that is the active generation's own when it is read, and its maker's own when it is changed.

    As a plain list it is what the process has. A generation whose code changes it gets a copy of that, and changes
    the copy; then what the process puts in or takes out reaches the copies too. After its generation has retired,
    what still runs of that sees what the published one does.

    Attributes:
        own: What generations have of their own:  <generation 3> -> [<StreamHandler>]
        made: Whose code has put a thing in, by its `id`:  (<generation 3>, 140187) -> "shop.cart"
        is_over: Tells whether a generation may have nothing of its own any more.
    """

    __slots__ = ("__weakref__", "is_over", "made", "own")
    __hash__ = None

    def __init__(self, things: list[Any], is_over: Callable[[Generation], bool]) -> None:
        super().__init__(things)
        self.own: dict[Generation, list[Any]] = {}
        self.made: dict[tuple[Generation, int], str | None] = {}
        self.is_over = is_over

    def __iter__(self) -> Iterator[Any]:
        # Each record that is logged comes here, so the usual case is written out.
        if self.own:
            seen = self.seen()
            if seen is not self:
                return iter(seen)
        return list.__iter__(self)

    def seen(self) -> list[Any]:
        """Return the list of the active generation."""
        generation = entered_generation()
        if generation is None:
            serving = published()
            if serving is not None and len(self.own) == 1 and serving in self.own:
                return self.own[serving]  # looking at the whole stack would take longer than all the rest
            generation = calling() or serving
        found = self.own.get(generation) if generation is not None else None
        if found is None and generation is not None and generation.retired.is_set():
            generation = published()
            found = self.own.get(generation) if generation is not None else None
        return self if found is None else found

    def of(self, generation: Generation) -> list[Any]:
        """Return the list that *generation* may change."""
        if self.is_over(generation):
            return list(self.shared())
        found = self.own.get(generation)
        return self.own.setdefault(generation, list(self.shared())) if found is None else found

    def assign(self, by: Maker, things: Any) -> None:
        """Have a generation see another list."""
        if not self.is_over(by.generation):
            self.own[by.generation] = things if isinstance(things, list) else list(things)
            self._note(by)

    def replace(self, things: Any) -> None:
        """Have the process see another list; what that takes out and puts in reaches the generations' own."""
        before, after = self.shared(), list(things)
        for thing in before:
            if thing not in after:
                self.drop(thing)
        for thing in after:
            if thing not in before:
                self.put(thing)
        list.__init__(self, after)

    def settle(self, generation: Generation) -> None:
        """Make the process's what a module of *generation* has put in that has turned out to be a system module."""
        for thing in list(self.own.get(generation, ())):
            module = self.made.get((generation, id(thing)))
            if Maker(generation, module).is_of_process:
                del self.made[generation, id(thing)]
                self.put(thing)

    def forget(self, generation: Generation) -> None:
        """Take away what *generation* has of its own."""
        self.own.pop(generation, None)
        for key in [each for each in list(self.made) if each[0] is generation]:
            del self.made[key]

    def _note(self, by: Maker) -> None:
        for thing in self.own.get(by.generation, ()):
            if not list.__contains__(self, thing):
                self.made.setdefault((by.generation, id(thing)), by.module)

    def shared(self) -> list[Any]:
        """Return a copy of what the process has."""
        return list(list.__iter__(self))

    def give(self, generation: Generation, thing: Any) -> None:
        """Make what the process has a thing of *generation*, which may have retired."""
        own = None if self.is_over(generation) else self.of(generation)
        if own is not None and thing not in own:
            own.append(thing)
        list.remove(self, thing)

    def change(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call the method *name* of the right list, or lists."""
        by = maker(*THROUGH)
        if by is not None:
            older = by.used_in()
            if older is not None:
                getattr(self.of(older), name)(*args, **kwargs)
            result = getattr(self.of(by.generation), name)(*args, **kwargs)
            self._note(by)
            return result
        if name == "append":
            return self.put(args[0])
        if name == "remove" and self.drop(args[0]):
            return None
        seen = self.seen()
        return getattr(list, name)(self, *args, **kwargs) if seen is self else getattr(seen, name)(*args, **kwargs)

    def put(self, thing: Any) -> None:
        """Have the process, and with it all generations, have a thing."""
        for each in self._lists():
            if not list.__contains__(each, thing):
                list.append(each, thing)

    def drop(self, thing: Any) -> bool:
        """Have nobody have a thing any more; tell whether somebody had it."""
        holders = [each for each in self._lists() if list.__contains__(each, thing)]
        for each in holders:
            list.remove(each, thing)
        return bool(holders)

    def _lists(self) -> list[list[Any]]:
        return [self, *(each for each in list(self.own.values()) if type(each) is list)]


def _reader(name: str) -> Callable[..., Any]:
    def read(self: View, *args: Any) -> Any:
        seen = self.seen() if self.own else self
        return getattr(list, name)(self, *args) if seen is self else getattr(seen, name)(*args)

    return read


def _writer(name: str) -> Callable[..., Any]:
    def write(self: View, *args: Any, **kwargs: Any) -> Any:
        result = self.change(name, *args, **kwargs)
        return self if name == "__iadd__" else result

    return write


for _name in READS:
    setattr(View, _name, _reader(_name))
for _name in WRITES:
    setattr(View, _name, _writer(_name))
