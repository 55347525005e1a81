"""Objects as a report names them: what they are and what they have, found without any code of the application.

Ways past what a class may define for itself: no attribute of an object or of its class is asked for as usual, and
types are compared by identity, for even a class may have an `__eq__`, by its metaclass.
"""

from __future__ import annotations

import gc
import inspect
import sys
from contextvars import Context
from types import (
    AsyncGeneratorType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any

from ponyreload.generations.context import MARK
from ponyreload.generations.generation import Generation
from ponyreload.options import marking
from ponyreload.reporting import shown

__all__ = [
    "attribute_holding", "belongs", "class_name", "code_name", "described", "frame_of", "key_of", "locals_of",
    "module_of_class", "namespace_of_module", "noun", "own_namespace", "place", "shown_key",
]  # fmt: skip

# A dict's key is shown to this length.
KEY_LENGTH = 40
# What C code keeps for these attributes is safe to look at.
C_ATTRIBUTES = {
    *("__callback__", "__cause__", "__context__", "__defaults__", "__kwdefaults__", "__self__", "__traceback__"),
    *("args", "cell_contents"),
}
# Where what can be suspended has its frame, and what it is called.
FRAME_OF = ((GeneratorType, "gi_frame"), (CoroutineType, "cr_frame"), (AsyncGeneratorType, "ag_frame"))
WITH_CODE = (
    *((FunctionType, "function"), (MethodType, "method"), (GeneratorType, "generator")),
    *((CoroutineType, "coroutine"), (AsyncGeneratorType, "generator")),
)
# What calls one of these may have changed what `f_locals` gives, which is made anew when it is looked at.
MAKES_LOCALS = {"dir", "eval", "exec", "locals", "vars"}

# What tells objects apart: made of the address as `id` is, but with the bits where hash tables look. With `id`, which
# is a multiple of 16, the search takes half as long again.
key_of = object.__hash__

# Ways past what a class may define for itself.
namespace_of_module: Any = vars(ModuleType)["__dict__"].__get__
_module: Any = vars(type)["__module__"].__get__
_mro: Any = vars(type)["__mro__"].__get__
_vars: Any = vars(type)["__dict__"].__get__
_qualname: Any = vars(type)["__qualname__"].__get__


# -- what belongs to a generation ----------------------------------------------------------------------------


def belongs(thing: Any, generation: Generation) -> bool:
    """Tell whether *thing* is a module, namespace, function or class of *generation*, or runs or is made of one."""
    kind = type(thing)
    if thing is generation:
        return True
    if kind is MethodType:
        return belongs(thing.__func__, generation) or belongs(thing.__self__, generation)
    namespace = _namespace(thing)
    if namespace is not None:
        return dict.get(namespace, MARK) is generation
    return any(_is_class_of(generation, each) for each in _mro(thing if issubclass(kind, type) else kind))


def _namespace(thing: Any) -> dict[str, Any] | None:
    """Return the namespace that *thing* is, or that its code runs in."""
    kind = type(thing)
    if issubclass(kind, ModuleType):
        return namespace_of_module(thing)  # type: ignore[no-any-return]
    if issubclass(kind, dict):
        return thing if dict.__contains__(thing, MARK) else None
    if kind is FunctionType:
        return thing.__globals__  # type: ignore[no-any-return]
    frame = thing if kind is FrameType else frame_of(thing)
    return None if frame is None else frame.f_globals


def frame_of(thing: Any) -> FrameType | None:
    """Return the frame of a generator or coroutine that has not ended; None for all else."""
    for kind, name in FRAME_OF:
        if type(thing) is kind:
            return getattr(thing, name)  # type: ignore[no-any-return]
    return None


def _is_class_of(generation: Generation, kind: type) -> bool:
    if module_of_class(kind) not in generation.modules:
        return False
    # The name of its module is the same in each generation. Its functions know.
    for value in list(_vars(kind).values()):
        function = value.__func__ if type(value) is classmethod or type(value) is staticmethod else value
        function = function.fget if type(function) is property else function
        if type(function) is FunctionType and MARK in function.__globals__:
            return function.__globals__[MARK] is generation
    return True


# -- what they are called ------------------------------------------------------------------------------------


def described(thing: Any) -> str:
    """Return what is known of an object by itself: "shop.models.Order", "function shop.models.total", "a list"."""
    kind = type(thing)
    if kind is Generation:
        return f"generation {thing.number}"
    if kind is Context:
        return "the context of a thread"
    if kind is FrameType:
        return f"the frame of {place(thing)}"
    if issubclass(kind, type):
        return f"class {class_name(thing)}"
    if kind is MethodType:
        return f"method {code_name(thing.__func__)}"
    namespace = _namespace(thing)
    if namespace is None:
        return f"a {class_name(kind)}" if "." not in class_name(kind) else class_name(kind)
    word = _kind_of_code(thing)
    if word:
        return f"{word} {code_name(thing)}"
    name = dict.get(namespace, "__name__")
    return f"{'module' if issubclass(kind, ModuleType) else 'the namespace of'} {name if type(name) is str else '?'}"


def noun(thing: object) -> str:
    """Return the word for an object of user code: "a user object", "a user class" …"""
    kind, word = type(thing), _kind_of_code(thing)
    if kind is Generation:
        return "the generation"
    if kind is FrameType:
        return "a frame of user code"
    if issubclass(kind, type):
        return "a user class"
    if word:
        return f"a user {word}"
    return "a user object" if _namespace(thing) is None else "a user module"


def _kind_of_code(thing: object) -> str:
    return next((word for kind, word in WITH_CODE if type(thing) is kind), "")


def module_of_class(kind: type) -> str:
    """Return the name of the module that a class is from, or "" if it does not say."""
    name = _module(kind)
    return name if type(name) is str else ""


def class_name(kind: type) -> str:
    """Return the full name of a class; of one that Python has built in without the module."""
    module, name = module_of_class(kind), str(_qualname(kind))
    return f"{module}.{name}" if module not in ("", "builtins") else name


def code_name(thing: Any) -> str:
    """Return the full name of a function, or of one that can be suspended: "shop.models.Order.total"."""
    namespace = _namespace(thing)
    module = None if namespace is None else dict.get(namespace, "__name__")
    name = str(thing.__qualname__) if _kind_of_code(thing) else class_name(type(thing))
    return f"{module}.{name}" if type(module) is str else name


def place(frame: FrameType) -> str:
    """Tell where a function is: "shop/jobs.py:12 in refresh"."""
    file = frame.f_code.co_filename
    folder = max((each for each in marking.library_folders() if file.startswith(each)), key=len, default="")
    return f"{file[len(folder) :] if folder else shown(file)}:{frame.f_lineno} in {frame.f_code.co_name}"


def shown_key(key: object) -> str:
    """Return a dict's key as Python writes it, if that needs no code of the application."""
    kind = type(key)
    if kind is str or kind is bytes:
        text = repr(key[: KEY_LENGTH + 1])  # type: ignore[index]
        return text if len(text) <= KEY_LENGTH else f"{text[:KEY_LENGTH]}..."
    is_short = kind is int and key.bit_length() < 3 * KEY_LENGTH  # type: ignore[attr-defined]
    if is_short or kind is bool or kind is float or key is None:
        return repr(key)
    if kind is tuple:
        some = ", ".join(map(shown_key, key[:4]))  # type: ignore[index]
        return f"({some}{',' if len(key) == 1 else ', ...' if len(key) > 4 else ''})"  # type: ignore[arg-type]
    return class_name(key) if issubclass(kind, type) else f"<{class_name(kind)}>"  # type: ignore[arg-type]


# -- what they have ------------------------------------------------------------------------------------------


def own_namespace(thing: Any) -> dict[str, Any] | None:
    """Return an object's `__dict__`, unless its class makes that up."""
    own: Any = None
    if issubclass(type(thing), ModuleType):
        own = namespace_of_module(thing)
    elif issubclass(type(thing), type):
        own = gc.get_referents(_vars(thing))[0]
    else:
        member = next((_vars(kind)["__dict__"] for kind in _mro(type(thing)) if "__dict__" in _vars(kind)), None)
        if type(member) is GetSetDescriptorType:
            own = _value_of(member, thing)
    return own if type(own) is dict else None


def attribute_holding(thing: Any, value: object) -> str | None:
    """Return the attribute in which C code, or a slot, holds *value*."""
    for kind in _mro(type(thing)):
        for name, member in list(_vars(kind).items()):
            is_of_c = type(member) is GetSetDescriptorType and name in C_ATTRIBUTES
            if (is_of_c or type(member) is MemberDescriptorType) and _value_of(member, thing) is value:
                return str(name)
    return None


def _value_of(member: Any, thing: object) -> object:
    try:
        return member.__get__(thing)
    except (AttributeError, TypeError, ValueError):  # not set
        return None


def locals_of(frame: FrameType) -> dict[str, Any]:
    """Return the variables of a function by their names, or none of them where looking would disturb it."""
    code = frame.f_code
    if not code.co_flags & inspect.CO_OPTIMIZED:  # a module or a class: its true namespace
        own = frame.f_locals
        return own.copy() if type(own) is dict and own is not frame.f_globals else {}
    if sys.version_info >= (3, 13):
        return dict(frame.f_locals.items())
    # With a trace function, this may be the dict that a debugger is just working on.
    if frame.f_trace is not None or not MAKES_LOCALS.isdisjoint(code.co_names):
        return {}
    # The frame keeps this dict, and it what the variables were, for as long as the function runs.
    kept = frame.f_locals
    variables = kept.copy()
    kept.clear()
    return variables
