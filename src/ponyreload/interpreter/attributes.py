"""Attributes of objects and classes, read so that no code of the application runs.

A class may define `__getattribute__`, `__class__` or `__dict__`, and its metaclass `__eq__`. So attributes are read by
the descriptors of Python's own types, and types are compared by identity.
"""

from __future__ import annotations

import gc
from types import BuiltinFunctionType, FunctionType, GetSetDescriptorType, MemberDescriptorType, ModuleType
from typing import Any

__all__ = [
    "class_name", "class_of", "is_made_in_python", "module_of", "mro_of", "namespace_of_class", "namespace_of_module",
    "own_namespace", "qualified_name", "value_of",
]  # fmt: skip

# The flag of classes that C code has not laid out for good.
HEAP_TYPE = 1 << 9

mro_of: Any = vars(type)["__mro__"].__get__
namespace_of_class: Any = vars(type)["__dict__"].__get__
namespace_of_module: Any = vars(ModuleType)["__dict__"].__get__
qualified_name: Any = vars(type)["__qualname__"].__get__
_flags: Any = vars(type)["__flags__"].__get__
_module: Any = vars(type)["__module__"].__get__


def is_made_in_python(kind: type) -> bool:
    """Tell whether a class may have functions in it: all that Python code has made, and some of C code."""
    return bool(_flags(kind) & HEAP_TYPE)


def class_of(thing: Any) -> type:
    """Return *thing* itself if it is a class, else its class."""
    kind = type(thing)
    return thing if issubclass(kind, type) else kind


def module_of(thing: Any) -> str:
    """Return the name of the module that a function or a class is from, or an object's class; "" if it is unknown."""
    is_function = type(thing) is FunctionType or type(thing) is BuiltinFunctionType
    name = thing.__module__ if is_function else None
    name = _module(class_of(thing)) if name is None else name
    return name if type(name) is str else ""


def class_name(kind: type) -> str:
    """Return the full name of a class; of one that Python has built in without the module."""
    module, name = module_of(kind), str(qualified_name(kind))
    return f"{module}.{name}" if module not in ("", "builtins") else name


def own_namespace(thing: Any) -> dict[str, Any] | None:
    """Return the `__dict__` of an object, a class or a module; None if it has none, or its class makes it up."""
    own: Any = None
    if issubclass(type(thing), ModuleType):
        own = namespace_of_module(thing)
    elif issubclass(type(thing), type):
        own = gc.get_referents(namespace_of_class(thing))[0]
    else:
        spaces = map(namespace_of_class, mro_of(type(thing)))
        member = next((space["__dict__"] for space in spaces if "__dict__" in space), None)
        if type(member) in (GetSetDescriptorType, MemberDescriptorType):
            own = value_of(member, thing)
    return own if type(own) is dict else None


def value_of(member: Any, thing: object) -> object:
    """Return what C code, or a slot, holds as an attribute of *thing*; None if it is not set."""
    try:
        return member.__get__(thing)
    except (AttributeError, TypeError, ValueError):
        return None
