"""Objects as a report names them: what they are and what they have, found without any code of the application."""

from __future__ import annotations

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

from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import is_of, namespace_of
from ponyreload.interpreter.attributes import class_name, class_of, mro_of, namespace_of_class, value_of
from ponyreload.options import marking
from ponyreload.reporting import shown

__all__ = ["attribute_holding", "belongs", "code_name", "described", "key_of", "noun", "place", "shown_key"]

# A dict's key is shown to this length.
KEY_LENGTH = 40
# What C code keeps for these attributes is safe to look at.
C_ATTRIBUTES = {
    *("__callback__", "__cause__", "__context__", "__defaults__", "__kwdefaults__", "__self__", "__traceback__"),
    *("args", "cell_contents", "tzinfo"),
}
WITH_CODE = (
    *((FunctionType, "function"), (MethodType, "method"), (GeneratorType, "generator")),
    *((CoroutineType, "coroutine"), (AsyncGeneratorType, "generator")),
)
# What tells objects apart: made of the address as `id` is, but with the bits where hash tables look. With `id`, which
# is a multiple of 16, the search takes half as long again.
key_of = object.__hash__


def belongs(thing: Any, target: object) -> bool:
    """Tell whether *thing* is *target* or of it: of a generation, see `is_of`, or of a class.

    For a method, its function and object count.
    """
    if type(thing) is MethodType:
        return belongs(thing.__func__, target) or belongs(thing.__self__, target)
    if type(target) is Generation:
        return thing is target or is_of(thing, target)
    return any(each is target for each in mro_of(class_of(thing)))


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
    namespace = namespace_of(thing)
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
    return "a user object" if namespace_of(thing) is None else "a user module"


def _kind_of_code(thing: object) -> str:
    return next((word for kind, word in WITH_CODE if type(thing) is kind), "")


def code_name(thing: Any) -> str:
    """Return the full name of a function, or of one that can be suspended: "shop.models.Order.total"."""
    namespace = namespace_of(thing)
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


def attribute_holding(thing: Any, value: object) -> str | None:
    """Return the attribute in which C code, or a slot, holds *value*."""
    for kind in mro_of(type(thing)):
        for name, member in list(namespace_of_class(kind).items()):
            is_of_c = type(member) is GetSetDescriptorType and name in C_ATTRIBUTES
            if (is_of_c or type(member) is MemberDescriptorType) and value_of(member, thing) is value:
                return str(name)
    return None
