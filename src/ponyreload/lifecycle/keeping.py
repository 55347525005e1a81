"""Keeping: objects that are made once and handed from generation to generation."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from ponyreload.generations.context import active, calling_names, holder_of, made_for_process, published

if TYPE_CHECKING:
    from ponyreload.generations.generation import Generation

__all__ = ["begin_in_child", "is_kept", "keep", "kept_objects", "let_go", "let_go_of_all", "lock"]

T = TypeVar("T")


def keep(name: str, factory: Callable[[], T], *, close: bool = False, migrate: Callable[[T], T] | None = None) -> T:
    """Return the object of that name, which the generations share; make it, if there is none.

    Args:
        name: What the object is called in the whole process: ``"pool"``. Whoever asks for that name gets that object.
        factory: Makes the object.
        close: Call the object's ``close()``, if it has one, when it is dropped.
        migrate: Makes the asking generation's object out of the one before: an instance of its own class, out of one
            of the old class. The older generation goes on with its own.

    An object is dropped when the last generation that asked for it has retired. If it was never asked for by modules
    that were being loaded, but by requests, the generation that serves then has its whole life to ask for it too.
    What a load that fails has made is dropped with it. When the process ends, all are dropped.

    Raises:
        TypeError: The object is a user module, a function or class of one, or an instance of such a class, and there
            is no *migrate*: all generations would run that old code. Also for a *name* that is no string, and for a
            *factory* or *migrate* that cannot be called.
        Exception: What *factory* and *migrate* raise; then there is no object, and the next call tries again.

    Safe to call from any thread. Others that ask for the same name meanwhile wait for the one that makes it.
    """
    if not isinstance(name, str):
        raise TypeError(f"keep() takes a name (str) and a factory, not {name!r}")
    for what, function in (("the factory", factory), ("migrate=", migrate)):
        if not callable(function) and not (function is None and what == "migrate="):
            raise TypeError(f"keep({name!r}): {what} has to be callable, not {function!r}")
    generation = holder_of(calling_names(), active())
    key = _key(generation)
    kept = _table.get(name)
    if kept is None or key not in kept.objects:
        kept = _ask(name, generation, close)
    with contextlib.suppress(KeyError):
        return kept.objects[key]  # type: ignore[no-any-return]
    with kept.making:
        if key in kept.objects:
            return kept.objects[key]  # type: ignore[no-any-return]
        with made_for_process():  # its threads and the like do not go with the generation that comes first
            made: T = kept.made_for(generation, factory, migrate)
        if not _is_over(generation):
            kept.objects[key] = made
        return made


# Guards the table, and who asked for what in it; nobody's code runs while it is held.
lock = threading.RLock()
# By name:  "pool" -> <kept 'pool'>
_table: dict[str, _Kept] = {}


class _Kept:
    """What there is of one name. Generation 1 is None here: it asks before autoreload is turned on."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.close = False
        # Held while an object is made. Re-entrant: a factory that asks for itself fails by its recursion.
        self.making = threading.RLock()
        # generation -> its object, which is the same one for all unless there is a `migrate`
        self.objects: dict[Generation | None, Any] = {}
        # The living generations that asked, and those of them that did while they were loaded.
        self.asked: set[Generation | None] = set()
        self.asked_in_load: set[Generation | None] = set()
        # When nobody who asked is left: the object, for that generation to ask for as long as it lives.
        self.left: tuple[Any, Generation | None] | None = None

    def all(self) -> list[Any]:
        """Return the objects that there are; one that several generations share comes several times."""
        return [*self.objects.values(), *(self.left or ())[:1]]

    def made_for(
        self, generation: Generation | None, factory: Callable[[], Any], migrate: Callable[[Any], Any] | None
    ) -> Any:
        """Return the object of a generation that has none; called by the thread that holds `making`."""
        before = self._before(generation)
        if not before:
            made = factory()
        elif migrate is not None:
            made = migrate(before[0])
        else:
            made = before[0]
        if migrate is None and generation is not None and (what := _user_code(made, generation)):
            raise TypeError(
                f"keep({self.name!r}) cannot hand on {what}: all generations would run that old code; keep what it is "
                "made of, define it in a system module, or pass migrate= to make a new one out of the old one"
            )
        return made

    def _before(self, generation: Generation | None) -> list[Any]:
        """Return the object that *generation* goes on with, if there is one, in a list."""
        if self.left is not None:
            (left, _), self.left = self.left, None
            return [left]
        number = 1 if generation is None else generation.number
        older = [
            (1 if each is None else each.number, index)
            for index, each in enumerate(self.objects)
            if each is None or each.published
        ]
        fitting = [each for each in older if each[0] <= number] or older
        return [list(self.objects.values())[max(fitting)[1]]] if fitting else []


def let_go(generation: Generation) -> None:
    """Drop the objects for which nobody asks any more, now that *generation* has retired or failed."""
    gone, serving = _key(generation), _key(published())
    dropped = []
    with lock:
        for kept in list(_table.values()):
            has_asked, by_load = gone in kept.asked, gone in kept.asked_in_load
            kept.asked.discard(gone)
            kept.asked_in_load.discard(gone)
            found = [kept.objects.pop(gone)] if gone in kept.objects else []
            if kept.left is not None and kept.left[1] is gone:
                found, has_asked, by_load = [kept.left[0]], True, True
            if not has_asked or kept.asked:
                continue
            if by_load or not found:
                del _table[kept.name]
                dropped += [(kept, each) for each in found]
            else:
                kept.left = found[0], serving
    _close(dropped)


def let_go_of_all() -> None:
    """Drop all objects: the process ends."""
    with lock:
        ended = list(_table.values())
        _table.clear()
    _close(list({id(each): (kept, each) for kept in ended for each in kept.all()}.values()))


def kept_objects() -> list[Any]:
    """Return the objects that generations share."""
    with lock:
        return [each for kept in _table.values() for each in kept.all()]


def is_kept(thing: object) -> bool:
    """Tell whether *thing* is one of these."""
    return any(each is thing for each in kept_objects())


def begin_in_child() -> None:
    """Begin anew in a forked process, in which nobody is making an object but the thread that forked."""
    for kept in _table.values():
        kept.making = threading.RLock()


def _ask(name: str, generation: Generation | None, close: bool) -> _Kept:
    with lock:
        kept = _table.setdefault(name, _Kept(name))
        kept.close = close
        if not _is_over(generation):
            kept.asked.add(_key(generation))
            if generation is None or not generation.published:
                kept.asked_in_load.add(_key(generation))
        return kept


def _is_over(generation: Generation | None) -> bool:
    """Tell whether code asks that runs on after its generation has retired: nothing is noted for it any more."""
    return generation is not None and generation.retired.is_set()


def _key(generation: Generation | None) -> Generation | None:
    return None if generation is None or generation.number == 1 else generation


def _close(dropped: list[tuple[_Kept, Any]]) -> None:
    for kept, each in dropped:
        if kept.close and hasattr(each, "close"):
            try:
                each.close()
            except Exception as error:
                import logging  # here, as the one below: every user module imports this module

                from ponyreload.reporting import say

                say(f"close() of what was kept as {kept.name!r} failed: {error!r}", logging.ERROR)


def _user_code(thing: Any, generation: Generation) -> str | None:
    """Say what *thing* is, if it is user code, calls it, or is made of it."""
    # Here: as above.
    from ponyreload.generations.owners import is_user_code, namespace_of, parts_of
    from ponyreload.interpreter.attributes import class_name, mro_of

    part = next((each for each in parts_of(thing) if is_user_code(each, generation)), None)
    if part is None:
        return None
    kind, names = type(part), namespace_of(part)
    if issubclass(kind, ModuleType | dict):
        return f"the user module {names and names.get('__name__')}"
    if names is not None:
        return f"{names.get('__name__')}.{getattr(part, '__qualname__', '?')}, which is of a user module"
    if issubclass(kind, type):
        return f"{class_name(part)}, which is of a user module"
    of = next(each for each in mro_of(kind) if is_user_code(each, generation))
    return f"an instance of {class_name(of)}, a class of a user module"
