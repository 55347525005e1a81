"""Owners: whose code a thing is."""

from __future__ import annotations

import functools
from types import BuiltinMethodType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from ponyreload.generations.context import MARK, generation_of

if TYPE_CHECKING:
    from ponyreload.generations.generation import Generation

__all__ = ["is_made_by", "names_of_call", "owner_of", "owner_of_call", "owner_of_class"]


def owner_of(thing: Any) -> Generation | None:
    """Return the generation whose code *thing* is, or carries: a function, a method, an object with callbacks.

    A user function, a method of a user class, an instance of one, a `functools.partial` of these, and an object of
    a library that holds one of these as an attribute belong to a generation; all else to none.
    """
    for each in (thing, getattr(thing, "__self__", None)):
        found = _owner_of_code(each)
        if found is not None:
            return found
        for value in list(getattr(each, "__dict__", {}).values()) if not isinstance(each, ModuleType | type) else ():
            found = _owner_of_code(value)
            if found is not None:
                return found
    return None


def _owner_of_code(thing: Any) -> Generation | None:
    while isinstance(thing, functools.partial):
        thing = thing.func
    if isinstance(thing, MethodType):
        thing = thing.__func__
    candidates = [thing]
    for kind in type(thing).__mro__ if not isinstance(thing, type) else thing.__mro__:
        # Nothing is asked of the values themselves: attributes of some libraries' objects import half the world.
        candidates += [
            value.__func__ if isinstance(value, classmethod | staticmethod) else value for value in vars(kind).values()
        ]
    for candidate in candidates:
        namespace = getattr(candidate, "__globals__", None) if isinstance(candidate, FunctionType) else None
        if namespace is not None and MARK in namespace:
            return generation_of(namespace)
    return None


# A function that wraps one that wraps one …; a longer chain is a ring.
MOST_WRAPPED = 20


def owner_of_call(thing: Any) -> Generation | None:
    """Return the generation whose code runs when *thing* is called, or None."""
    return _owner_in(names_of_call(thing))


def owner_of_class(kind: type) -> Generation | None:
    """Return the generation whose code the methods of a class are, or those that it inherits; or None."""
    return _owner_in(_names_of_class(kind))


def names_of_call(thing: Any) -> dict[str, Any] | None:
    """Return the globals of the user code that runs when *thing* is called, or None if that is other code.

    Those of a user function or method, also in a `functools.partial` or wrapped by a library's decorator, and of a user
    class or an instance of one.
    """
    for _ in range(MOST_WRAPPED):
        kind = type(thing)
        if issubclass(kind, functools.partial):
            thing = thing.func
        elif issubclass(kind, MethodType):
            return _names_of_function(thing.__func__) or _names_of_class(_class_of(thing.__self__))
        elif issubclass(kind, FunctionType):
            names = _names_of_function(thing)
            if names is not None or "__wrapped__" not in vars(thing):
                return names
            thing = vars(thing)["__wrapped__"]
        elif issubclass(kind, BuiltinMethodType):
            return _names_of_class(_class_of(thing.__self__))
        else:
            return _names_of_class(_class_of(thing))
    return None


def is_made_by(kind: Any, generation: Generation) -> bool:
    """Tell whether a class, or what else has a name, is of a module of *generation*; also one without methods."""
    if isinstance(kind, type) and owner_of_class(kind) is generation:
        return True
    found: Any = generation.modules.get(getattr(kind, "__module__", None) or "")
    for name in str(getattr(kind, "__qualname__", "")).split("."):
        found = getattr(found, "__dict__", {}).get(name)
    return found is not None and found is kind


def _names_of_class(kind: type) -> dict[str, Any] | None:
    for each in kind.__mro__:
        for value in list(vars(each).values()):
            function = getattr(value, "__func__", None) if isinstance(value, classmethod | staticmethod) else value
            # One that user code has put into a library's class does not make that class its own.
            if type(function) is FunctionType and function.__globals__.get("__name__") == each.__module__:
                names = _names_of_function(function)
                if names is not None:
                    return names
    return None


def _names_of_function(function: Any) -> dict[str, Any] | None:
    names = getattr(function, "__globals__", None)
    return names if type(names) is dict and MARK in names else None


def _owner_in(names: dict[str, Any] | None) -> Generation | None:
    return None if names is None else names[MARK]


def _class_of(thing: Any) -> type:
    return thing if isinstance(thing, type) else type(thing)
