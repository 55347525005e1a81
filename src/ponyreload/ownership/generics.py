"""Generic functions: where they are, and what is registered with them."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

from ponyreload.imports.names import unrouted_modules

__all__ = ["generic_functions", "plain_singledispatch", "table_of"]


def generic_functions() -> Iterator[Any]:
    """Yield the generic functions that stand in system modules and their classes. There is no list of them."""
    constants = plain_singledispatch.__code__.co_consts
    # Each is the same inner function, with other variables.
    codes = [each for each in constants if isinstance(each, CodeType) and each.co_name == "wrapper"]
    for _, _, namespace in unrouted_modules():
        for value in list(namespace.values()):
            if type(value) is FunctionType and value.__code__ in codes:
                yield value
            elif type(value) is type and value.__module__ == namespace.get("__name__"):
                for method in list(vars(value).values()):
                    if type(method) is functools.singledispatchmethod:
                        yield method.dispatcher


def table_of(generic: Any) -> dict[Any, Any] | None:
    """Return the table of a generic function. What is public of it is a view that cannot be written to."""
    register = getattr(generic, "register", None)
    if type(register) is FunctionType:
        for name, cell in zip(register.__code__.co_freevars, register.__closure__ or (), strict=True):
            if name == "registry" and isinstance(cell.cell_contents, dict):
                return cell.cell_contents
    return None


plain_singledispatch: Any = functools.singledispatch
