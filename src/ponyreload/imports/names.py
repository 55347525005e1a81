"""Names: what stands under a module's name, and in its namespace."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from types import FunctionType
from typing import Any

from ponyreload.generations.generation import Generation
from ponyreload.options import marking

__all__ = ["MAIN", "has_source", "namespace_of", "note_missing"]

MAIN = "__main__"


def note_missing(generation: Generation, name: str, path: Iterable[str] | None) -> None:
    """Remember where the project could have had a module that was not found: creating it there is a change."""
    for folder in sys.path if path is None else path:
        base = os.path.join(os.path.abspath(folder), name.rpartition(".")[2])
        if marking.is_project_file(base + ".py"):
            generation.missing.add(base)


def namespace_of(name: str, standing: Any) -> dict[str, Any]:
    """Return the namespace that module *name*'s code ran in, also if it put another object in its own place."""
    namespace = getattr(standing, "__dict__", None)
    if not isinstance(namespace, dict):
        namespace = {}
    if "__builtins__" not in namespace:
        # Not a namespace that code ran in. The methods of the object's class know theirs.
        for method in vars(type(standing)).values():
            if isinstance(method, FunctionType) and method.__globals__.get("__name__") == name:
                return method.__globals__
    return namespace


def has_source(name: str, namespace: Mapping[str, Any]) -> bool:
    """Tell whether a module can be run again: not out of a zip archive, or where there is bytecode only."""
    file = namespace.get("__file__")
    if not isinstance(file, str) or not os.path.isfile(file):
        return False
    # Some libraries make modules by hand, which have their makers' file, but cannot be found by their names.
    return name == MAIN or (file.endswith((".py", ".pyw")) and namespace.get("__spec__") is not None)
