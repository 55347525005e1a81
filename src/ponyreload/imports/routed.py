"""Routed modules: represent user modules in `sys.modules`, and pass on to those of the active generation."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any, Protocol

from ponyreload.generations.context import active, calling_names, note_imports
from ponyreload.generations.generation import Generation
from ponyreload.imports.sharing import is_led
from ponyreload.interpreter.private import INITIALIZING
from ponyreload.tracebacks import hide_own_frames, part_of_import

__all__ = ["RoutedModule", "become_plain", "become_routed", "is_initializing", "lead_to", "name_of"]

# In the own namespace of a routed module: its name, and where it finds the real ones.
ROUTE = "__ponyreload_route__"

# Attributes that the import system itself writes.
WRITTEN_BY_IMPORT = frozenset(
    ("__cached__", "__file__", "__loader__", "__name__", "__package__", "__path__", "__spec__"),
)
# Reading one of these never loads a module: `inspect.getmodule`, `warnings` and others read them of all modules in
# `sys.modules`. `__spec__` is not among them: the import system reads it to see whether a module is there, so it must
# find the module loaded.
DESCRIPTIVE = WRITTEN_BY_IMPORT - {"__spec__"} | {
    *("__annotations__", "__builtins__", "__class__", "__doc__", "__warningregistry__", "__wrapped__")
}


# What reading an attribute raises without a mistake of ours.
RAISED = (AttributeError, ImportError, SyntaxError)


class Modules(Protocol):
    """Where a routed module finds the real ones."""

    def load(self, generation: Generation, name: str) -> Any:
        """Return the generation's module *name*; run its code first if that has not been done."""

    def loaded(self, generation: Generation, name: str) -> Any:
        """Return the generation's module *name* if the calling thread may see it, else None."""


@part_of_import
class RoutedModule(ModuleType):
    """Represents a user module in `sys.modules`.

    Attribute access goes to the module of the active generation, which is loaded first if that has not been done.
    Its own namespace has only the descriptive attributes of the version that it was made for.

    A real module is of this class too while its code runs for the first time in the process: it stands in `sys.modules`
    then. Its own generation finds itself in it, and all others their own: see `become_routed`.

    Threads: a real module may become a plain one at any step of another thread, which then finds no route.
    """

    __slots__ = ()

    def __init__(self, name: str, modules: Modules, like: Any = None) -> None:
        super().__init__(name)
        theirs = getattr(like, "__dict__", {})
        own = _own(self)
        own.update((key, theirs[key]) for key in WRITTEN_BY_IMPORT & theirs.keys())
        own[ROUTE] = name, modules

    def __getattribute__(self, attribute: str) -> Any:
        try:
            generation, route = active(), _own(self).get(ROUTE)
            if generation is None or route is None:
                return super().__getattribute__(attribute)
            name, modules = route
            if attribute in DESCRIPTIVE:
                module = modules.loaded(generation, name)
                if module is None or module is self:
                    return super().__getattribute__(attribute)
                return getattr(module, attribute)
            if generation.imports is not None:
                note_imports((name,), calling_names())
            try:
                module = _half_made(generation, name, attribute) if generation.running else None
                module = modules.load(generation, name) if module is None else module
            except ModuleNotFoundError as error:
                if error.name != name:
                    raise
                # For code that holds an object of an older generation, the attribute is missing, not broken.
                raise AttributeError(f"module {name!r} is not part of generation {generation.number}") from error
            if module is self:
                return super().__getattribute__(attribute)
            if name in generation.behind:
                return _pass_on(getattr, generation, name, module, attribute)
            return getattr(module, attribute)
        except BaseException as error:
            hide_own_frames(error, RAISED)
            raise

    def __setattr__(self, attribute: str, value: Any) -> None:
        generation, route = active(), _own(self).get(ROUTE)
        target = None if generation is None or route is None else _written(route, generation, attribute)
        is_routed = type(value) is RoutedModule and target is not None
        if is_routed and generation and route and not is_led(generation, route[0], attribute, name_of(value)):
            # The import system binds a submodule to its package. User code has to find the real module there.
            note_imports((name_of(value),), _own(target) if issubclass(type(target), ModuleType) else None)
            value = route[1].loaded(generation, name_of(value)) or value
        if target is None or target is self or generation is None or route is None:
            super().__setattr__(attribute, value)
        else:
            _pass_on(setattr, generation, route[0], target, attribute, value)

    def __delattr__(self, attribute: str) -> None:
        generation, route = active(), _own(self).get(ROUTE)
        target = None if generation is None or route is None else _written(route, generation, attribute)
        if target is None or target is self or generation is None or route is None:
            super().__delattr__(attribute)
        else:
            _pass_on(delattr, generation, route[0], target, attribute)

    def __dir__(self) -> list[str]:
        generation, route = active(), _own(self).get(ROUTE)
        module = self if generation is None or route is None else route[1].load(generation, route[0])
        return list(super().__dir__()) if module is self else dir(module)

    def __repr__(self) -> str:
        return f"<routed module {name_of(self)!r}>"


# This reads what a routed module has itself; `__getattribute__` would pass on.
_own: Any = vars(ModuleType)["__dict__"].__get__


class Inside(threading.local):
    """The modules that this thread asks for an attribute, and that have put another object in their place."""

    def __init__(self) -> None:
        self.names: set[tuple[Generation, str]] = set()


_inside = Inside()


def _pass_on(operate: Callable[..., Any], generation: Generation, name: str, module: Any, *args: Any) -> Any:
    """Get, set or delete an attribute of what *generation* has as module *name*.

    A module may have put a proxy in its place, and made it of what `sys.modules` has: the routed module. This passes on
    to the proxy, which asks the routed module again. That time, the module behind the proxy answers.
    """
    behind, key = generation.behind.get(name), (generation, name)
    if behind is None or key in _inside.names:
        return operate(module if behind is None else behind, *args)
    _inside.names.add(key)
    try:
        return operate(module, *args)
    finally:
        _inside.names.discard(key)


def name_of(routed: ModuleType) -> str:
    """Return the name of the user module that a routed module represents."""
    own = _own(routed)
    return str(own.get("__name__") if ROUTE not in own else own[ROUTE][0])


def is_initializing(routed: ModuleType) -> bool:
    """Tell whether the import system is about to load what a routed module represents."""
    return getattr(_own(routed).get("__spec__"), INITIALIZING, False) is True


def become_routed(module: ModuleType, name: str, modules: Modules) -> None:
    """Make a plain module, whose code is about to run, a routed one that can stand in `sys.modules` meanwhile.

    What its code finds there under its own name is the module itself, as in Python: it may hand that to a registry, or
    wrap it in a proxy that takes its place.
    """
    _own(module)[ROUTE] = name, modules
    module.__class__ = RoutedModule


def become_plain(module: ModuleType) -> None:
    """Take back `become_routed`. Its code may have given the module a class of its own."""
    if type(module) is RoutedModule:
        object.__setattr__(module, "__class__", ModuleType)
    _own(module).pop(ROUTE, None)


def lead_to(routed: RoutedModule, module: Any) -> None:
    """Have a routed module find *module* from now on, for all generations: it turned out to be a system module."""
    _own(routed)[ROUTE] = name_of(routed), Settled(module)


class Settled:
    """Where the routed module of a system module finds it."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def load(self, *_: object) -> Any:
        return self._module

    loaded = load


def _written(route: tuple[str, Modules], generation: Generation, attribute: str) -> Any:
    """Return the module that a write to an attribute goes to; None for the routed module itself."""
    name, modules = route
    if attribute in WRITTEN_BY_IMPORT:
        return modules.loaded(generation, name)
    half_made = _half_made(generation, name, attribute)
    return modules.load(generation, name) if half_made is None else half_made


def _half_made(generation: Generation, name: str, attribute: str) -> Any:
    """Return the module *name* of *generation* if its code is running, in whichever thread; else None.

    As in Python, only an import waits for that: the code may itself wait for a thread that looks at its module. The
    import system reads `__spec__`, and waits there.
    """
    running = None if attribute == "__spec__" else generation.running.get(name)
    return None if generation.modules.get(name) is not None else running
