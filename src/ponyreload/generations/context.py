"""Context: which generation the calling code runs in."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ponyreload.generations.generation import Generation

__all__ = [
    "MARK", "active", "bind", "bind_in", "calling", "calling_names", "enter", "entered", "entered_generation",
    "generation_of", "holder_of", "is_for_process", "is_on", "made_for_process", "marks", "note_imports", "publish",
    "published",
]  # fmt: skip

# In the namespace of each user module: the generation that it belongs to. Code finds its generation through its
# own globals, so a thread of an old generation, which has no context, still knows where it belongs.
MARK = "__ponyreload__"
_entered: ContextVar[Generation | None] = ContextVar("ponyreload", default=None)
_for_process: ContextVar[bool] = ContextVar("ponyreload makes for the process", default=False)
_published: Generation | None = None
# Guards, where generations share modules, what tells whether they may: what the code of each module has registered and
# imported, and the marks of shared modules, which `sharing.take_over` changes. Nothing else is waited for while it is
# held, and nobody's code runs. Re-entrant, because a signal handler may come here at any moment.
marks = threading.RLock()
# Set when autoreload has been turned on.
is_on = threading.Event()


def publish(generation: Generation | None) -> Generation | None:
    """Make *generation* the one for code that belongs to none; return the one before. One assignment: atomic."""
    global _published
    before, _published = _published, generation
    if generation is not None:
        generation.published = True
        generation.published_at = time.monotonic()
        is_on.set()
    return before


class entered:  # noqa: N801 - used as a function
    """Run a block with *generation* active in this context (thread or task)."""

    __slots__ = ("_generation", "_token")

    def __init__(self, generation: Generation | None) -> None:
        self._generation = generation

    def __enter__(self) -> None:
        self._token = _entered.set(self._generation)

    def __exit__(self, *exception: object) -> None:
        _entered.reset(self._token)


# For a context that ends with its request.
enter = _entered.set
# Returns the generation of the request or load that this context is part of, or None outside one.
entered_generation = _entered.get


@contextmanager
def made_for_process() -> Iterator[None]:
    """Run a block whose code makes things for the process, and not for the generation that the code is of."""
    token = _for_process.set(True)
    try:
        yield
    finally:
        _for_process.reset(token)


def is_for_process() -> bool:
    """Tell whether the block that runs makes things for the process."""
    return _for_process.get()


def generation_of(namespace: Mapping[str, Any]) -> Generation | None:
    """Return the generation that code with these globals runs in; None for system code.

    A module that several generations share is marked as the newest one's. A request or load of another one of them that
    runs its code stays what it is.
    """
    generation: Generation | None = namespace.get(MARK)
    if generation is not None and generation.shares:
        inside = _entered.get()
        if inside is not None and inside is not generation:
            module = inside.modules.get(namespace.get("__name__", ""))
            if getattr(module, "__dict__", None) is namespace:
                return inside
    return generation


def calling_names() -> dict[str, Any] | None:
    """Return the globals of the nearest user code on this thread's stack, or None."""
    # Not `interpreter.frames.callers`: outside a request, each access to a routed module comes here. With that
    # generator, a stack of ten takes half as long again on Python 3.10 and 3.11 (1.7 instead of 1.2 µs), and a quarter
    # more on 3.12 and 3.13.
    frame = sys._getframe(1)
    while frame is not None:
        if MARK in frame.f_globals:
            return frame.f_globals
        frame = frame.f_back  # type: ignore[assignment]
    return None


def calling() -> Generation | None:
    """Return the generation of the nearest user code on this thread's stack, or None."""
    names = calling_names()
    return None if names is None else generation_of(names)


def bind(names: Mapping[str, Any] | None) -> Generation | None:
    """Note that code with these globals registers something; return the generation that it belongs to, if any.

    That is the newest one that has the module, whichever generation's request runs the code: what it registers is used
    by the module, and so has to last as long as that.
    """
    generation: Generation | None = None if names is None else names.get(MARK)
    if names is not None and generation is not None and generation.imports is not None:
        name = str(names.get("__name__"))
        if name not in generation.bound:  # once it is, no newer generation shares the module
            with marks:
                generation = names.get(MARK, generation)
                generation.bound.add(name)
    return generation


def holder_of(names: Mapping[str, Any] | None, generation: Generation | None) -> Generation | None:
    """Note that code with these globals registers something in *generation*; return the one that it belongs to."""
    newest = bind(names)
    return newest if names is not None and generation is not None and generation_of(names) is generation else generation


def bind_in(generation: Generation, names: Mapping[str, Any] | None) -> None:
    """Note that code with these globals changes what *generation*, and no other, has for itself."""
    newest = holder_of(names, generation)
    if names is not None and newest is not None and newest.number > generation.number:
        newest.doubts.add(str(names.get("__name__")))


def note_imports(modules: Sequence[str], names: Mapping[str, Any] | None) -> None:
    """Note that code with these globals has got hold of modules, where that is recorded."""
    generation: Generation | None = None if names is None else names.get(MARK)
    if names is None or generation is None or generation.imports is None:
        return
    importer = str(names.get("__name__"))
    noted = generation.imports.get(importer)
    if noted is not None and noted.issuperset(modules):
        return
    with marks:
        newest: Generation = names.get(MARK, generation)
        assert newest.imports is not None
        newest.imports.setdefault(importer, set()).update(modules)
        if newest.importers is not None:
            for name in modules:
                newest.importers.setdefault(name, set()).add(importer)
        user = generation_of(names)
        if user is not None and user.number < newest.number:
            newest.doubts.update(each for each in modules if each not in newest.shared)


def active() -> Generation | None:
    """Return the generation that the calling code runs in; None while autoreload is off.

    That of the request or load it is part of; else that of the nearest user code that called it (a thread that
    an old generation started); else the published one.
    """
    return _entered.get() or calling() or _published


def published() -> Generation | None:
    """Return the generation that serves new requests; None while autoreload is off."""
    return _published
