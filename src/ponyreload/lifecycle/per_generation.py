"""PerGeneration: one object, for a system module, that is another one in each generation."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ponyreload.generations.contents import Contents

__all__ = ["PerGeneration"]

T = TypeVar("T")


class PerGeneration(Generic[T]):
    """Stands for an object of which each generation has its own, such as a registry that user modules fill.

    Args:
        factory: Makes the object of a generation, on the first use in it.

    Raises:
        TypeError: *factory* cannot be called.

    Attributes, items, calls, iteration and operators go to the object of the active generation: that of the request
    or load, else of the user code that calls, else the one that serves. `isinstance` takes it for one of these
    objects. What a load that fails has put in is gone with it. While autoreload is off there is one object.

    A factory that fails is called again at the next use. Safe to use from any thread, as far as the object is; two
    threads that come first at once both call the factory, and one of the two objects is dropped.
    """

    if TYPE_CHECKING:
        # A name has another type for each object, which only the factory knows.
        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, factory: Callable[[], T]) -> None:
        if not callable(factory):
            raise TypeError(f"PerGeneration takes a factory, which makes the object of a generation, not {factory!r}")
        object.__setattr__(self, "_contents", Contents(factory))

    def __getattribute__(self, name: str) -> Any:
        return getattr(_own(self), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(_own(self), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(_own(self), name)

    def __hash__(self) -> int:
        return hash(_own(self))


def _own(proxy: Any) -> Any:
    return object.__getattribute__(proxy, "_contents").get()


def _plain(value: Any) -> Any:
    """Return what *value* stands for, if it is a `PerGeneration`: operators of C code look at the real type."""
    return _own(value) if type(value) is PerGeneration else value


def _passed_on(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a special method that does *function* with the object; Python looks these up in the class only."""

    def method(proxy: Any, *args: Any, **kwargs: Any) -> Any:
        return function(_own(proxy), *map(_plain, args), **kwargs)

    method.__name__ = name
    return method


def _reflected(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda own, other: function(other, own)


def _in_place(name: str, function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def method(proxy: Any, other: Any) -> Any:
        changed = function(_own(proxy), _plain(other))
        if changed is _own(proxy):
            return proxy
        raise TypeError(f"in-place {name} makes a new object here, which cannot take the place of a PerGeneration")

    return method


# Not those that say what an object is good for, such as `__next__`, `__index__` or `__await__`: who looks for them
# looks at the class, and would take each PerGeneration for an iterator, a number or a coroutine.
UNARY = (bool, dir, format, iter, len, repr, reversed, str)
COMPARISONS = ("eq", "ge", "gt", "le", "lt", "ne")
BINARY = ("add", "and", "mod", "mul", "or", "sub", "xor")
OTHERS: dict[str, Callable[..., Any]] = {
    "__call__": lambda own, *args, **kwargs: own(*args, **kwargs),
    "__contains__": operator.contains,
    "__delitem__": operator.delitem,
    "__getitem__": operator.getitem,
    "__setitem__": operator.setitem,
    "__enter__": lambda own: type(own).__enter__(own),
    "__exit__": lambda own, *exception: type(own).__exit__(own, *exception),
}

for _function in UNARY:
    setattr(PerGeneration, f"__{_function.__name__}__", _passed_on(_function.__name__, _function))
for _name in COMPARISONS:
    setattr(PerGeneration, f"__{_name}__", _passed_on(_name, getattr(operator, _name)))
for _name in BINARY:
    _operator = getattr(operator, f"__{_name}__")
    setattr(PerGeneration, f"__{_name}__", _passed_on(_name, _operator))
    setattr(PerGeneration, f"__r{_name}__", _passed_on(_name, _reflected(_operator)))
    setattr(PerGeneration, f"__i{_name}__", _in_place(_name, getattr(operator, f"__i{_name}__")))
for _name, _other in OTHERS.items():
    setattr(PerGeneration, _name, _passed_on(_name, _other))
