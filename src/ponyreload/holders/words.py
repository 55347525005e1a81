"""The words for a holder: the way from it to the generation, written as a developer would."""

from __future__ import annotations

import functools
import gc
import logging
import threading
from collections import deque
from collections.abc import Sequence
from contextvars import Context
from types import (
    AsyncGeneratorType,
    CellType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    MappingProxyType,
    TracebackType,
)
from typing import Any, NamedTuple

from ponyreload.generations.owners import frame_of
from ponyreload.holders.objects import (
    attribute_holding,
    belongs,
    code_name,
    described,
    noun,
    place,
    shown_key,
)
from ponyreload.holders.roots import Kind, Root
from ponyreload.interpreter.attributes import own_namespace
from ponyreload.interpreter.frames import locals_of
from ponyreload.interpreter.private import Finalizer

__all__ = ["in_words"]

LruCache = type(functools.lru_cache(lambda: None))


class Edge(NamedTuple):
    """How one object on a way holds a later one.

    Attributes:
        words: What is written behind the words for the first: ".CACHE", "['order']"; None if there are none.
        at: Where on the way the later one is: those between need no words.
        is_namespace: Whether it is the dict of the first one's attributes.
    """

    words: str | None
    at: int
    is_namespace: bool = False


def in_words(target: object, root: Root, path: Sequence[object]) -> tuple[tuple[str, ...], str]:
    """Return the stations of a way to a generation, or to one of its classes, and the reason why that is kept.

    The last station is the first object that belongs to the generation: an instance of one of its classes, a class,
    a function, a module. How one leads to the next is written behind it as Python would write it, where it can:
    ``("shop_registry.CACHE['order']", "shop.models.Order")``.
    """
    stations = [root.words]
    if root.kind is Kind.UNNAMED:
        stations.append(described(path[0]))
    reason, at, is_namespace = root.reason, 0, root.kind is Kind.NAMESPACE
    while not belongs(path[at], target):
        anew = _known_by_itself(path[at])
        if anew is not None:
            stations, reason = [anew[0]], anew[1]
        try:
            edge = _edge(path, at, is_namespace)
        except RuntimeError:  # another thread changes what is being looked at
            edge = Edge(None, at + 1)
        at, is_namespace = edge.at, edge.is_namespace
        if edge.words is not None:
            stations[-1] += edge.words
        elif not belongs(path[at], target):
            stations.append(described(path[at]))
    if at or root.kind is Kind.NAMED or root.kind is Kind.NAMESPACE:
        stations.append(described(path[at]))
    return tuple(stations), reason.replace("{what}", noun(path[at]))


def _known_by_itself(thing: Any) -> tuple[str, str] | None:
    """Return words and a reason for what the developer knows better than by the way that leads to it."""
    if issubclass(type(thing), logging.Logger):
        name = shown_key((own_namespace(thing) or {}).get("name"))
        is_root = type(thing) is logging.RootLogger
        return f"logging.getLogger({'' if is_root else name})", "a logger holds {what}"
    if type(thing) is Finalizer:
        target = thing.weakref()
        of = "" if target is None else f" of {described(target)}"
        return f"the weakref.finalize{of}", "what it is to call then is, or has, {what}"
    return None


# -- from one to the next ------------------------------------------------------------------------------------


def _edge(path: Sequence[Any], at: int, is_namespace: bool) -> Edge:
    """Tell how the object at *at* holds the next one, or, if that is one to pass over, a later one."""
    thing, child = path[at], path[at + 1]
    kind = type(thing)
    if issubclass(kind, dict):
        words = _in_dict(thing, child, is_namespace)
        if words is not None:
            return Edge(words, at + 1)
    for base in (list, tuple, deque):
        if issubclass(kind, base):
            for index, value in enumerate(list(base.__iter__(thing))):
                if value is child:
                    return Edge(f"[{index}]", at + 1)
    if kind is MappingProxyType or kind is TracebackType or kind is Finalizer:
        return Edge("", at + 1)
    for special, of_special in SPECIAL:
        if issubclass(kind, special):
            edge: Edge | None = of_special(path, at)
            if edge is not None:
                return edge
    own = own_namespace(thing)
    if child is own:
        return Edge("", at + 1, is_namespace=True)
    words = None if own is None else _in_dict(own, child, is_namespace=True)
    if words is None:
        name = attribute_holding(thing, child)
        words = None if name is None else f".{name}"
    if words is None and issubclass(kind, (set, frozenset)):
        words = " (an element)"
    return Edge(words, at + 1)


def _in_dict(holder: dict[Any, Any], child: object, is_namespace: bool) -> str | None:
    items = list(dict.items(holder))
    for key, value in items:
        if value is child:
            return f".{key}" if is_namespace and type(key) is str else f"[{shown_key(key)}]"
    return " (a key)" if any(key is child for key, _ in items) else None


# -- what is not a plain attribute ---------------------------------------------------------------------------


def _of_class(path: Sequence[Any], at: int) -> Edge | None:
    """A class holds its bases, in a tuple."""
    return Edge(None, at + 2) if type(path[at + 1]) is tuple else None


def _of_function(path: Sequence[Any], at: int) -> Edge | None:
    """A function holds what it uses of the function around it, in cells in a tuple."""
    closure = path[at].__closure__
    if closure is None or path[at + 1] is not closure:
        return None
    names = (name for name, cell in zip(path[at].__code__.co_freevars, closure, strict=True) if cell is path[at + 2])
    return Edge(f", closure variable {next(names)} of {code_name(path[at])}", at + 3)


def _of_suspended(path: Sequence[Any], at: int) -> Edge | None:
    """A generator or coroutine holds its variables, in Python 3.10 through its frame."""
    frame, owner = frame_of(path[at]), code_name(path[at])
    if frame is None:
        return None
    return _variable(path, at + 1 if path[at + 1] is frame else at, frame, owner)


def _of_frame(path: Sequence[Any], at: int) -> Edge | None:
    return _variable(path, at, path[at], place(path[at]))


def _variable(path: Sequence[Any], at: int, frame: FrameType, owner: str) -> Edge | None:
    """Name a variable, which may be in a cell."""
    at += 1
    if type(path[at]) is CellType:
        at += 1
    for name, value in locals_of(frame).items():
        if value is path[at]:
            return Edge(f", local variable {name} of {owner}", at)
    return None


def _of_context(path: Sequence[Any], at: int) -> Edge | None:
    """A context holds the values of its variables in a tree."""
    for variable, value in path[at].items():
        for later in range(at + 1, len(path)):
            if value is path[later]:
                return Edge(f", variable {variable.name}", later)
    return None


def _of_thread_local(path: Sequence[Any], at: int) -> Edge | None:
    """A `threading.local` holds a dict of the dicts of each thread."""
    if any(type(each) is not dict for each in path[at + 1 : at + 3]):
        return None
    words = _in_dict(path[at + 2], path[at + 3], is_namespace=True)
    return None if words is None else Edge(f"{words} (of a thread)", at + 3)


def _of_lru_cache(path: Sequence[Any], at: int) -> Edge | None:
    """A function with `functools.lru_cache` holds arguments, in tuples, and results; without a limit, in a dict."""
    own = own_namespace(path[at]) or {}
    if path[at + 1] is own or _in_dict(own, path[at + 1], is_namespace=True) is not None:
        return None
    caches = [each for each in gc.get_referents(path[at]) if type(each) is dict and each is not own]
    at += 1
    if any(path[at] is cache for cache in caches):
        at += 1
    if not any(key is path[at] for cache in caches for key in list(cache)):
        return Edge(" (a cached result)", at)
    return Edge(" (a cached argument)", at + 1 if type(path[at]) is tuple else at)


SPECIAL: tuple[tuple[type, Any], ...] = (
    (type, _of_class),
    (FunctionType, _of_function),
    *((kind, _of_suspended) for kind in (GeneratorType, CoroutineType, AsyncGeneratorType)),
    (FrameType, _of_frame),
    (Context, _of_context),
    (threading.local, _of_thread_local),
    (LruCache, _of_lru_cache),
)
