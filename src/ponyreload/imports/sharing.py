"""Sharing: with ``scope="affected"``, a generation takes over the modules that an edit cannot have changed.

These modules are the same objects in both generations, with one namespace each. So that this is sound, a module is
taken over only if it

- has not changed, and has not imported or looked up, directly or not, one that is loaded anew, and
- has nothing registered with its generation: hooks, threads, what it keeps, servers, contents for each generation.

Code of a shared module that imports late gets the modules of the request it runs in (`generation_of`). A shared package
has routed modules for those of its children that are not shared.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from types import ModuleType
from typing import Any

from ponyreload.generations.context import MARK
from ponyreload.generations.generation import Generation

__all__ = ["find_affected", "give_children", "is_sound", "prepare", "share", "take_over"]


def prepare(serving: Generation) -> None:
    """Work out what `find_affected` needs of a generation; it may be called ahead, when there is time."""
    if serving.imports is None or serving.importers is not None:
        return
    importers: dict[str, set[str]] = {}
    for importer, names in list(serving.imports.items()):
        for name in list(names):
            importers.setdefault(name, set()).add(importer)
    # Those that have put another object in their place, or were loaded in a way of their own, cannot be marked.
    for name, module in list(serving.modules.items()):
        if getattr(module, "__dict__", {}).get(MARK) is not serving or name not in serving.files:
            serving.bound.add(name)
    serving.importers = importers
    # What was imported since, by other threads, has not been entered there.
    for importer, names in list(serving.imports.items()):
        for name in list(names):
            if importer not in importers.setdefault(name, set()):
                importers[name].add(importer)


def find_affected(serving: Generation, roots: Iterable[str]) -> set[str] | None:
    """Return the names of the modules of *serving* that are to be loaded anew; None for all of them.

    Args:
        serving: The generation whose modules are to be taken over.
        roots: Names of the modules that are loaded anew in any case.
    """
    prepare(serving)
    if serving.importers is None:
        return None  # Python itself has imported these, before anybody took note
    affected: set[str] = set()
    todo = [*roots, *serving.bound]
    while todo:
        name = todo.pop()
        if name not in affected:
            affected.add(name)
            todo += serving.importers.get(name, ())
    return affected


def share(serving: Generation, new: Generation, affected: Collection[str], routed: dict[str, Any]) -> None:
    """Have *new*, which is to be loaded, take over the modules of *serving* that are not affected.

    Args:
        serving, new: The generations.
        affected: Names of the modules that *new* loads itself.
        routed: What stands for each module in `sys.modules`.
    """
    # Requests may import meanwhile. A module has its file and source before it is complete: copied in this order, the
    # tables have no module without these.
    new.modules, new.files, new.sources = serving.modules.copy(), serving.files.copy(), serving.sources.copy()
    for name in affected:
        new.modules.pop(name, None)
    # Also of those that could not be run, or were not complete yet, and so are no modules of it.
    read_anew = {new.files.pop(name) for name in new.files.keys() - new.modules.keys()}
    for file in read_anew - set(new.files.values()):
        new.sources.pop(file, None)
    new.shared = frozenset(new.modules)
    serving.shares = new.shares = bool(new.shared)
    new.missing = set(serving.missing)
    assert serving.imports is not None
    # The same sets in both: what a request of the older one imports late, the newer one knows of.
    for name in new.shared.difference(serving.imports):
        serving.imports.setdefault(name, set())
    new.imports = serving.imports.copy()
    for name in new.imports.keys() - new.shared:
        del new.imports[name]
    for name in affected:
        parent, _, child = name.rpartition(".")
        if parent in new.shared and child in vars(new.modules[parent]) and name in routed:
            setattr(new.modules[parent], child, routed[name])


def give_children(generation: Generation, name: str, package: ModuleType) -> None:
    """Give a package that is loaded anew those of its children that are shared, as importing them would have."""
    for child in generation.shared:
        if child.startswith(f"{name}.") and "." not in child[len(name) + 1 :]:
            setattr(package, child[len(name) + 1 :], generation.modules[child])


def is_sound(serving: Generation, new: Generation) -> bool:
    """Tell whether what *new* has taken over still may be: no such module has registered or imported more since."""
    own = set(new.modules) - new.shared
    importers = serving.importers or {}
    return serving.bound.isdisjoint(new.shared) and all(new.shared.isdisjoint(importers.get(name, ())) for name in own)


def take_over(generation: Generation) -> None:
    """Mark what *generation* shares as its own; the one before goes."""
    for name in generation.shared:
        vars(generation.modules[name])[MARK] = generation
