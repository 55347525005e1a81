"""Sharing: with ``scope="affected"``, a new generation takes over the modules that an edit cannot have changed.

These modules are the same objects in both generations, with one namespace each. So that this is sound, a module is
taken over only if it

- has not changed, and has not imported or looked up a module that is loaded again, directly or through others, and
- has nothing registered with its generation: hooks, threads, kept objects, servers, contents for each generation.

The code of a module that two generations share may run in requests of both. What it registers or imports then is noted
for the newer one, by the mark in its namespace, so that nothing ends before the module does, and the next load knows.

A late import in the code of a shared module gets the modules of the request that runs it (`generation_of`). A package
has routed modules for its children (`is_led`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import ModuleType
from typing import Any

from ponyreload.generations.context import MARK, marks
from ponyreload.generations.generation import Generation
from ponyreload.interpreter.attributes import own_namespace

__all__ = ["find_affected", "give_children", "is_doubtful", "is_led", "prepare", "share", "take_over"]


def prepare(serving: Generation) -> None:
    """Work out what `find_affected` needs to know of a generation. It may be called earlier, when there is time."""
    if serving.imports is None or serving.importers is not None:
        return
    importers: dict[str, set[str]] = {}
    _turn_round(serving.imports, importers)
    # A module that has put another object in its place, or that its own loader has loaded, cannot be marked.
    for name, module in list(serving.modules.items()):
        if getattr(module, "__dict__", {}).get(MARK) is not serving or name not in serving.files:
            serving.bound.add(name)
    serving.importers = importers
    _turn_round(serving.imports, importers)  # adds what other threads have imported since


def _turn_round(imports: dict[str, set[str]], importers: dict[str, set[str]]) -> None:
    for importer, names in list(imports.items()):
        for name in list(names):
            importers.setdefault(name, set()).add(importer)


def find_affected(serving: Generation, roots: Iterable[str]) -> set[str] | None:
    """Return the names of the modules of *serving* that have to be loaded again; None for all of them.

    Args:
        serving: The generation whose modules are to be taken over.
        roots: Names of the modules that are loaded again in any case.
    """
    prepare(serving)
    if serving.importers is None:
        return None  # Python imported these before imports were recorded
    affected: set[str] = set()
    with marks:
        todo = [*roots, *serving.bound]
        while todo:
            name = todo.pop()
            if name not in affected:
                affected.add(name)
                todo += serving.importers.get(name, ())
    return affected


def share(serving: Generation, new: Generation, affected: Collection[str]) -> None:
    """Let *new*, which is about to be loaded, take over the modules of *serving* that are not affected.

    Args:
        serving, new: The generations.
        affected: Names of the modules that *new* loads itself.
    """
    # Requests may import meanwhile. A module has its file and source before it is complete: copied in this order, the
    # tables have no module without these.
    new.modules, new.files, new.sources = serving.modules.copy(), serving.files.copy(), serving.sources.copy()
    for name in affected:
        new.modules.pop(name, None)
    # This includes modules that failed to run, or were not complete yet, and so are not among its modules.
    read_anew = {new.files.pop(name) for name in new.files.keys() - new.modules.keys()}
    for file in read_anew - set(new.files.values()):
        new.sources.pop(file, None)
    new.shared = frozenset(new.modules)
    # An import of a child runs its package first. Nobody may import a shared child in this load.
    loaded_again = [each for each in list(serving.modules.items()) if each[0] in affected]
    packages = [name for name, module in loaded_again if "__path__" in (own_namespace(module) or {})]
    parents = {name.rpartition(".")[0] for name in new.shared} if packages else ()
    new.packages = tuple(name for name in packages if name in parents)
    serving.shares = new.shares = bool(new.shared)
    new.missing = set(serving.missing)
    assert serving.imports is not None
    # Both have the same sets: the newer one knows what a request of the older one imports late.
    for name in new.shared.difference(serving.imports):
        serving.imports.setdefault(name, set())
    new.imports = serving.imports.copy()
    for name in new.imports.keys() - new.shared:
        del new.imports[name]


def is_led(generation: Generation, package: str, attribute: str, name: str) -> bool:
    """Tell whether a package has a routed module, not the real module *name*, as its attribute.

    It has for a child that it has not imported itself: so each generation that shares the package has its own child,
    and it is known who uses that through the package. If it has, it is loaded again with the child.
    """
    imports = generation.imports
    return imports is not None and name == f"{package}.{attribute}" and name not in imports.get(package, ())


def give_children(generation: Generation, name: str, package: ModuleType, routed: Mapping[str, Any]) -> None:
    """Give a package that is loaded again those of its children that are shared, as importing them does.

    Args:
        generation, name, package: See above.
        routed: The routed module of each.
    """
    for child in generation.shared:
        if child.startswith(f"{name}.") and "." not in child[len(name) + 1 :]:
            setattr(package, child[len(name) + 1 :], routed[child])


def take_over(serving: Generation, new: Generation) -> bool:
    """Mark the shared modules as those of *new*, which is about to be published; tell whether that could be done.

    It cannot be done if one of them has registered or imported more since the load began, or if it would not be found
    where it was: its package may have become a module. What comes later belongs to *new*: `marks` is held, so nothing
    comes in between.
    """
    with marks:
        is_free = serving.bound.isdisjoint(new.shared) and _are_apart(serving, new)
        is_sound = is_free and _are_where_they_were(serving, new)
        for name in new.shared if is_sound else ():
            vars(new.modules[name])[MARK] = new
    return is_sound


def _are_where_they_were(serving: Generation, new: Generation) -> bool:
    """Tell whether packages that were loaded again still have their modules where the shared ones are from."""
    for name in new.packages:
        before, now = ((own_namespace(each.modules.get(name)) or {}).get("__path__") for each in (serving, new))
        if before != now:
            return False
    return True


def _are_apart(serving: Generation, new: Generation) -> bool:
    """Tell whether the shared modules have imported none of which each generation has its own."""
    importers = serving.importers or {}
    others = (serving.modules.keys() | new.modules.keys()) - new.shared
    return not new.shared or all(new.shared.isdisjoint(importers.get(name, ())) for name in others)


def is_doubtful(serving: Generation, living: Iterable[Generation]) -> bool:
    """Tell whether a request of an older generation has left something of that in a module that *serving* shares.

    What it has imported there, or put into the contents of its own generation, the module may remember. The next call
    tells of what has come since.
    """
    doubts = serving.doubts.copy()
    older = [each for each in living if each.number < serving.number] if doubts else []
    found = {name for name in doubts if any(name in each.modules for each in older)}
    serving.doubts -= found
    return bool(found)
