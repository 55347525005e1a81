"""Where the search for a holder begins: modules, threads and registries, which nothing else has to hold."""

from __future__ import annotations

import contextvars
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from enum import Enum, auto
from inspect import getattr_static
from types import FrameType, ModuleType
from typing import Any, NamedTuple

from ponyreload.generations.context import MARK
from ponyreload.generations.generation import Generation
from ponyreload.holders.objects import described, key_of, place
from ponyreload.interpreter.attributes import module_of, namespace_of_module
from ponyreload.interpreter.frames import locals_of, outward, thread_frames
from ponyreload.interpreter.private import signal_handler
from ponyreload.options import marking

__all__ = [
    "Kind", "Root", "is_our_type", "our_modules", "passed_by", "root_of_ours", "roots_of_modules",
    "roots_of_registries", "roots_of_threads", "script_runs",
]  # fmt: skip

OURSELVES = __name__.partition(".")[0]
# Ways past what a class defines for itself. gevent puts a subclass in the place of `Thread`.
_name_of_thread: Any = getattr_static(threading.Thread, "name").__get__
_is_daemon: Any = getattr_static(threading.Thread, "daemon").__get__


class Kind(Enum):
    """How a root's words name its object."""

    NAMED = auto()
    NAMESPACE = auto()  # its attributes
    RUNNING = auto()  # what runs its code
    UNNAMED = auto()  # what holds it


class Root(NamedTuple):
    """An object that the search begins at.

    Sample row: ``Root(<dict>, "shop_registry", "system module shop_registry holds {what}", Kind.NAMESPACE)``.

    Attributes:
        thing: The object.
        words: What the developer knows it by.
        reason: Why what it holds is kept; "{what}" stands for that.
        kind: What the words name.
    """

    thing: object
    words: str
    reason: str = ""
    kind: Kind = Kind.NAMED


# -- modules -------------------------------------------------------------------------------------------------


def roots_of_modules(living: Iterable[Generation]) -> Iterator[Root]:
    """Yield the system modules, the modules of the *living* generations, and what these have registered."""
    for name, module in sys.modules.copy().items():
        if type(name) is str:
            yield from _roots_of_module(module, name, f"system module {name} holds {{what}}")
    for generation in living:
        number = generation.number
        for name, module in list(generation.modules.items()):
            yield from _roots_of_module(module, name, f"{name} of generation {number} holds {{what}} of an older one")
        for registered in (generation.apps, generation.hooks, generation.contents):
            yield Root(registered, f"what generation {number} registered", "it has {what} of an older one")


def _roots_of_module(module: object, name: str, reason: str) -> Iterator[Root]:
    if issubclass(type(module), ModuleType):
        yield Root(namespace_of_module(module), name, reason, Kind.NAMESPACE)
    yield Root(module, name, reason)  # an extension module has more than its namespace


def our_modules() -> list[object]:
    """Return the namespaces of the modules of ponyreload itself, and these."""
    ours = [each for name, each in sys.modules.copy().items() if _is_our_name(name) and type(each) is ModuleType]
    return [*map(namespace_of_module, ours), *ours]


def root_of_ours(thing: Any) -> Root:
    """Return the root for a namespace or another object of ponyreload itself."""
    is_namespace = type(thing) is dict
    words = f"ponyreload itself, {thing['__name__'] if is_namespace else described(thing)}"
    return Root(thing, words, "please report this", Kind.NAMESPACE if is_namespace else Kind.NAMED)


def _is_our_name(name: object) -> bool:
    return type(name) is str and marking.is_named_by(name, (OURSELVES,))


def is_our_type(kind: type) -> bool:
    """Tell whether a class is ponyreload's own; but that of generations is not meant."""
    return kind is not Generation and _is_our_name(module_of(kind))


# -- registries ----------------------------------------------------------------------------------------------


def roots_of_registries() -> Iterator[Root]:
    """Yield what C code holds and tells: signal handlers, and the context variables of this thread."""
    for number in signal.valid_signals():
        name = f"signal.{number.name}" if isinstance(number, signal.Signals) else str(int(number))
        yield Root(signal_handler(number), f"signal.getsignal({name})", "the handler of a signal is {what}")
    for variable, value in contextvars.copy_context().items():
        yield Root(value, f"the context of a thread, variable {variable.name}", "it holds {what}")


# -- threads -------------------------------------------------------------------------------------------------


def roots_of_threads() -> Iterator[Root]:
    """Yield what the running functions of all threads refer to.

    Not those of ponyreload itself: they have generations only for as long as they work on them.
    """
    threads = {thread.ident: thread for thread in threading.enumerate()}
    for ident, stack in _stacks().items():
        yield from _roots_of_stack(stack, threads.get(ident))


def _roots_of_stack(stack: list[FrameType], thread: threading.Thread | None) -> Iterator[Root]:
    name = "a thread" if thread is None else f"the thread {_name_of_thread(thread)!r}"
    daemon = "daemon, " if thread is not None and _is_daemon(thread) else ""
    words = {key_of(frame): f"{name} ({daemon}running {place(frame)})" for frame in stack}
    for frame in stack:
        yield Root(frame.f_globals, words[key_of(frame)], kind=Kind.RUNNING)
    traced: set[int] = set()
    for frame in stack:
        # A function that was given the frame of one that called it is that one's trace function, such as a
        # debugger's. Up to Python 3.12 that works on the very dict that looking at the variables makes anew.
        variables = {} if key_of(frame) in traced else locals_of(frame)
        for variable, value in variables.items():
            if type(value) is FrameType:
                traced.add(key_of(value))
            is_thread = value is thread
            known_as = words[key_of(frame)] if is_thread else f"{words[key_of(frame)]}, local variable {variable}"
            yield Root(value, known_as, f"a {'thread' if is_thread else 'function that runs'} holds {{what}}")


def _stacks() -> dict[int, list[FrameType]]:
    """Return the functions that each thread is running, innermost first, without ponyreload's own."""
    return {ident: [each for each in outward(top) if not _is_ours(each)] for ident, top in thread_frames().items()}


def _is_ours(frame: FrameType) -> bool:
    return _is_our_name(dict.get(frame.f_globals, "__name__"))


# -- what is not looked into ---------------------------------------------------------------------------------


def passed_by() -> set[int]:
    """Return the keys of the frames that run, and of what variables hold of ponyreload's functions that are at work.

    Among them is the caller of this. Keys only: a list of these would be held by one of them, and so by itself.
    """
    passed: set[int] = set()
    for top in thread_frames().values():
        is_at_work = True
        for frame in outward(top):
            passed.add(key_of(frame))
            is_at_work = is_at_work and _is_ours(frame)
            if is_at_work:
                passed.update(map(key_of, locals_of(frame).values()))
    # A frame in a variable of itself would be a cycle.
    top = frame = None  # type: ignore[assignment]
    return passed


def script_runs(generation: Generation) -> bool:
    """Tell whether the main thread is still running code of *generation* that Python itself has started: its script.

    That is in the server's call, and will be until the process ends.
    """
    # A frame in a variable of itself would be a cycle.
    frames = outward(thread_frames().get(threading.main_thread().ident or 0) if generation.load is None else None)
    return any(dict.get(each.f_globals, MARK) is generation for each in frames)
