"""Owners: whose code a thing is. All rooms ask here.

A thing belongs to a generation if it is code of a user module, or runs such code:

    a thing                                    what tells
    def total(): ...                           its globals, which bear the mark of their generation
    class Order: ...                           the functions in its body, and in those of its bases
    Order()                                    its class
    Order().total, Order().append              the function, or else what it is bound to
    functools.partial(total, 1)                what it calls; also of `classmethod`, `staticmethod`, `defaultdict`
    library.retry(total)                       the wrapper, or else its `__wrapped__`
    shop, vars(shop)                           the namespace of the module
    a generator, a coroutine, a frame          the globals of what it runs
    cherrypy.Tool("on_end_request", total)     not the object, which is the library's, but what it carries: `carried`

A function counts for a class only if both are from one module. ``lib.Pool.debug = lambda self: ...`` in a user module
makes neither the class nor a pool the user's, and a retirement must not take the pool along.

Of several generations that share a module, it is the newest one's: the one in the mark.

No code of the application runs here: types are asked first, and attributes are read past what a class defines.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from types import (
    AsyncGeneratorType,
    BuiltinMethodType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
)
from typing import TYPE_CHECKING, Any

from ponyreload.generations.context import MARK
from ponyreload.interpreter.attributes import (
    class_name,
    class_of,
    is_made_in_python,
    module_of,
    mro_of,
    namespace_of_class,
    namespace_of_module,
    own_namespace,
    qualified_name,
)

if TYPE_CHECKING:
    from ponyreload.generations.generation import Generation

__all__ = [
    "bound_to", "frame_of", "is_of", "is_user_code", "name_of_call", "names_of", "namespace_of", "namespaces_of",
    "owner_in", "owner_of", "parts_of",
]  # fmt: skip

Names = dict[str, Any]

# What calls something else, and what it has that as.
CALLERS = tuple(
    (kind, vars(kind)[name].__get__)
    for kind, name in (
        (functools.partial, "func"),
        (classmethod, "__func__"),
        (staticmethod, "__func__"),
        (defaultdict, "default_factory"),
    )
)
# What a class has of a function in its body.
IN_CLASSES = (*CALLERS[1:3], (property, vars(property)["fget"].__get__))
# Where what can be suspended has its frame.
FRAME_OF = ((GeneratorType, "gi_frame"), (CoroutineType, "cr_frame"), (AsyncGeneratorType, "ag_frame"))
# A function that wraps one that wraps one ...; a longer chain is a ring.
MOST_PARTS = 40


# -- who -----------------------------------------------------------------------------------------------------


def owner_of(thing: Any, carried: bool = False) -> Generation | None:
    """Return the generation whose code *thing* is or calls; None if that is other code.

    Args:
        carried: Count what an object has as its attributes too, such as the callback of a library's timer.
    """
    return owner_in(namespaces_of(thing, carried))


def owner_in(namespaces: Iterable[Names]) -> Generation | None:
    """Return the generation of the first of these globals that are a user module's."""
    return next((names[MARK] for names in namespaces if MARK in names), None)


def names_of(thing: Any, carried: bool = False) -> Names | None:
    """Return the globals of the user code that *thing* is or calls, or carries; None if that is other code."""
    if type(thing) is FunctionType and (MARK in thing.__globals__ or not thing.__dict__):
        # What is asked at each start of a thread: nothing else has to be looked at.
        return thing.__globals__ if MARK in thing.__globals__ else None
    return next((names for names in namespaces_of(thing, carried) if MARK in names), None)


def name_of_call(thing: Any) -> str:
    """Return the full name of the function that *thing* is or calls:  "shop.mail.send"; else of its class."""
    kinds = (FunctionType, BuiltinMethodType)
    name = next((f"{module_of(each)}.{each.__qualname__}" for each in parts_of(thing) if type(each) in kinds), None)
    return class_name(class_of(thing)) if name is None else name


def is_of(thing: Any, generation: Generation) -> bool:
    """Tell whether *thing* itself, and not only what it calls, is of *generation*; also a class without functions."""
    own = namespace_of(thing)
    if own is not None:
        return own.get(MARK) is generation
    return any(_is_class_of(each, generation) for each in mro_of(class_of(thing)))


def is_user_code(thing: Any, generation: Generation) -> bool:
    """Tell whether *thing* itself is code of any generation, as far as *generation*, the newest, can tell.

    That is code with a mark, and what is from a module that bears the name of one of its own: also a class without
    functions, which generation it may be of.
    """
    names = generation.modules.keys() | generation.running.keys()
    own = namespace_of(thing)
    if own is not None:
        return MARK in own or own.get("__name__") in names
    kinds = (thing,) if issubclass(type(thing), type) else mro_of(type(thing))
    return any(module_of(each) in names or MARK in (_names_of_class(each) or ()) for each in kinds)


# -- the code ------------------------------------------------------------------------------------------------


def namespaces_of(thing: Any, carried: bool = False) -> Iterator[Names]:
    """Yield the globals of the code that *thing* is or calls, what it is first."""
    for part in parts_of(thing):
        yield from _own_namespaces(part)
    if carried:
        for part in parts_of(thing):
            own = None if issubclass(type(part), ModuleType | type) else own_namespace(part)
            for value in list((own or {}).values()):
                yield from namespaces_of(value)


def parts_of(thing: Any) -> Iterator[Any]:
    """Yield *thing*, and what is called when it is called."""
    todo = [thing]
    for _ in range(MOST_PARTS):
        if not todo:
            return
        part = todo.pop()
        yield part
        todo += [each for each in reversed(_called_by(part)) if each is not None]


def _called_by(thing: Any) -> Sequence[Any]:
    kind = type(thing)
    if kind is MethodType:
        return thing.__func__, thing.__self__
    if issubclass(kind, ModuleType | type):
        return ()
    own = thing.__dict__ if kind is FunctionType else own_namespace(thing)
    wrapped = None if own is None else own.get("__wrapped__")
    return [*(get(thing) for each, get in CALLERS if issubclass(kind, each)), wrapped, bound_to(thing)]


def bound_to(method: Any) -> Any:
    """Return the object of a bound method; None for all else."""
    kind = type(method)
    return method.__self__ if kind is MethodType or kind is BuiltinMethodType or kind is MethodWrapperType else None


def _own_namespaces(thing: Any) -> Iterator[Names]:
    own = namespace_of(thing)
    if own is not None:
        yield own
    else:
        for kind in mro_of(class_of(thing)):
            names = _names_of_class(kind)
            if names is not None:
                yield names


def namespace_of(thing: Any) -> Names | None:
    """Return the namespace that *thing* is, or that its code runs in; None for a class and for other objects."""
    kind = type(thing)
    own: Any = None
    if kind is FunctionType:
        own = thing.__globals__
    elif kind is dict:
        own = thing if MARK in thing else None
    elif issubclass(kind, ModuleType):
        own = namespace_of_module(thing)
    else:
        frame = thing if kind is FrameType else frame_of(thing)
        own = None if frame is None else frame.f_globals
    return own if type(own) is dict else None


def frame_of(thing: Any) -> FrameType | None:
    """Return the frame of a generator or coroutine that has not ended; None for all else."""
    for kind, name in FRAME_OF:
        if type(thing) is kind:
            return getattr(thing, name)  # type: ignore[no-any-return]
    return None


# -- classes -------------------------------------------------------------------------------------------------


def _names_of_class(kind: type) -> Names | None:
    """Return the globals of the functions that stand in the body of a class; None if there are none."""
    if not is_made_in_python(kind):
        return None
    module = module_of(kind)
    for value in list(namespace_of_class(kind).values()):
        function = value
        if type(value) is not FunctionType:
            function = next((get(value) for each, get in IN_CLASSES if issubclass(type(value), each)), None)
        names = namespace_of(function) if type(function) is FunctionType else None
        if names is not None and type(name := names.get("__name__")) is str and name == module:
            return names
    return None


def _is_class_of(kind: type, generation: Generation) -> bool:
    names = _names_of_class(kind)
    if names is not None and MARK in names:
        return names[MARK] is generation
    # The name of its module is the same in each generation; the class that has its name there is another one.
    found: Any = generation.modules.get(module_of(kind))
    for name in str(qualified_name(kind)).split("."):
        found = (own_namespace(found) or {}).get(name)
    return found is kind
