"""Adoption: user modules that Python has imported before autoreload was on become generation 1, as they are."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from ponyreload.generations.context import MARK
from ponyreload.generations.generation import Generation
from ponyreload.imports.advice import tell_of_known, tell_of_mixed
from ponyreload.imports.modules import Modules, plain_reload
from ponyreload.imports.names import MAIN, file_of, has_source, namespace_of, unrouted_modules
from ponyreload.imports.routed import RoutedModule
from ponyreload.options import marking

__all__ = ["adopt"]

# The names in a script's module that its own code does not set.
GIVEN_TO_SCRIPT = ("__file__", "__spec__", "__package__", "__loader__", "__cached__", "__builtins__", "__doc__")


def adopt(modules: Modules, generation: Generation) -> list[str]:
    """Make the marked modules that Python itself has imported part of *generation*, as they are.

    Modules whose code is still running are found by a later call.

    Returns:
        The names of those that are new.
    """
    new = []
    table = modules.table
    with table.lock:  # which whoever adds to `generation.modules` holds
        for name, standing, namespace in unrouted_modules():
            # A module that sys.modules has under a second name is adopted under its own.
            if marking.is_user(name, namespace, modules.is_included) and namespace.get("__name__") == name:
                if not has_source(name, namespace):
                    continue
                if name == MAIN:
                    modules.given_to_script = {key: namespace[key] for key in GIVEN_TO_SCRIPT if key in namespace}
                namespace[MARK] = generation
                generation.modules[name] = standing
                new.append(name)
        for name in new:
            routed = sys.modules[name] = RoutedModule(name, modules, generation.modules[name])
            table.route(name, routed)
            namespace = namespace_of(name, generation.modules[name])
            for key in [key for key, value in list(namespace.items()) if value is plain_reload]:
                namespace[key] = importlib.reload  # ours, which knows routed modules
        for name, standing, namespace in unrouted_modules():
            if generation.modules.get(str(namespace.get("__name__"))) is standing:
                table.take(generation, name, standing)  # its second name
        _reroute_holders({id(generation.modules[name]): table.routed[name] for name in new}, new, modules.unlisted)
        for name, standing in generation.modules.items():
            table.settle(generation, namespace_of(name, standing))
    tell_of_known(generation.modules.copy(), modules.is_included)
    tell_of_mixed(generation.number, table.routed)
    return new


def _reroute_holders(
    real_to_routed: Mapping[int, RoutedModule], names: Iterable[str], unlisted: Iterable[dict[str, Any]]
) -> None:
    """Replace real modules by routed ones in the project's system modules, and in packages that are system modules.

    These were imported before the routing began, and would use generation 1 for ever.
    """
    parents = {name.rpartition(".")[0] for name in names}
    holders = [
        namespace
        for name, _, namespace in unrouted_modules()
        if name in parents or marking.is_project_file(file_of(namespace))
    ]
    for namespace in (*holders, *unlisted):
        for key, value in list(namespace.items()):
            if id(value) in real_to_routed:
                namespace[key] = real_to_routed[id(value)]
