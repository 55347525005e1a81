"""By hand: what code puts into `sys.modules` itself, such as aliases, settings and stubs, and what it deletes there.

Each generation has its own of these too. Which name has changed is found by a comparison with an earlier copy of
`sys.modules`. Whose it is, is told by the object, or by the text of the module that ran meanwhile: other threads import
at the same time, and libraries put names there too.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from ponyreload.generations.generation import Generation
from ponyreload.generations.owners import owner_of
from ponyreload.imports.names import MAIN, file_of, namespace_of
from ponyreload.imports.routed import RoutedModule, name_of
from ponyreload.imports.table import Table
from ponyreload.interpreter.attributes import own_namespace
from ponyreload.options import marking

__all__ = ["claim", "claim_of_load", "hand_on", "inherit", "was_deleted"]


def claim(table: Table, generation: Generation, before: Mapping[str, Any] | None, text: bytes = b"") -> None:
    """Make what code of *generation* has put into `sys.modules` its own.

    Args:
        table, generation: See above.
        before: A copy of `sys.modules`, from before that code ran; None if it does not touch that.
        text: The source of that code.
    """
    if before is None:
        return
    with table.lock:
        for name, value in list(sys.modules.items()):
            earlier = before.get(name)
            if earlier is value or value is None or name == MAIN:
                continue
            if type(value) is RoutedModule:
                if name_of(value) == name:
                    continue
                value = table.loaded(generation, name_of(value)) or value
            if _is_of(table, generation, name, value, text):
                table.take(generation, name, value, earlier)


def claim_of_load(table: Table, generation: Generation, before: Mapping[str, Any]) -> None:
    """Do that when the load of *generation* is done: for the main script, and for functions of other modules."""
    source = generation.sources.get(generation.files.get(MAIN, ""))
    claim(table, generation, before, b"" if source is None else source.data)


def _is_of(table: Table, generation: Generation, name: str, value: Any, text: bytes) -> bool:
    namespace = own_namespace(value) or {}
    if issubclass(type(value), ModuleType) and getattr(namespace.get("__spec__"), "name", None) == name:
        return False  # it was imported
    if owner_of(value) is generation:
        return True
    top = name.partition(".")[0]
    is_library = top != name and top not in table.routed and not _is_of_project(top)
    return name.encode() in text and not is_library


def _is_of_project(name: str) -> bool:
    module = sys.modules.get(name)
    return module is None or marking.is_project_file(file_of(namespace_of(name, module)))


def inherit(table: Table, generation: Generation, name: str) -> Any:
    """Have *generation* take over what an older one has put into `sys.modules` under *name*; return that, or None.

    Code may leave a name alone that is there already:  ``sys.modules.setdefault("tkinter", stub)``
    """
    with table.lock:
        older = [each for each in table.living() if name in each.modules and each is not generation]
        if name not in table.by_hand or not older:
            return None
        value = max(older, key=lambda each: (each.published, each.number)).modules[name]
        # Another name of a user module leads to the generation's own module.
        home = (own_namespace(value) or {}).get("__name__")
        own = home if owner_of(value) is not None and home in table.routed and home != name else None
    result = generation.modules[name] = value if own is None else table.modules.load(generation, own)
    return result


def hand_on(table: Table, generation: Generation) -> None:
    """Have *generation*, which is about to serve, keep what older ones have put there; not if it is code of theirs."""
    with table.lock:
        for name in table.by_hand - generation.modules.keys():
            for each in table.living():
                value = each.modules.get(name)
                if each.published and value is not None and owner_of(value) is None:
                    generation.modules[name] = value


def was_deleted(table: Table, generation: Generation, name: str) -> bool:
    """Tell whether somebody has deleted a user module from `sys.modules`, and *generation* is to run it again.

    The newest generation does: who deletes it there may be any code, and older ones keep what they have.
    """
    if name in sys.modules or name not in table.routed:
        return False
    with table.lock:
        if name not in sys.modules and name in table.routed:
            sys.modules[name] = table.routed[name]
            newest = max(table.living(), key=lambda each: each.number)
            newest.modules.pop(name, None)
            return newest is generation
    return False
