"""Routed modules: represent user modules in `sys.modules`, and pass on to those of the active generation."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Protocol

from ponyreload.generations.context import active, calling_names, note_imports
from ponyreload.generations.generation import Generation
from ponyreload.tracebacks import hide_own_frames, part_of_import

__all__ = ["RoutedModule", "name_of"]

# Attributes that the import system itself writes.
WRITTEN_BY_IMPORT = frozenset(
    ("__cached__", "__file__", "__loader__", "__name__", "__package__", "__path__", "__spec__"),
)
# Reading one of these never loads a module: `inspect.getmodule`, `warnings` and others read them of all modules in
# `sys.modules`. `__spec__` is not among them: the import system reads it to see whether a module is there, so it must
# find the module loaded.
DESCRIPTIVE = WRITTEN_BY_IMPORT - {"__spec__"} | {
    *("__annotations__", "__builtins__", "__class__", "__doc__", "__warningregistry__", "__wrapped__")
}


# What reading an attribute raises without a mistake of ours.
RAISED = (AttributeError, ImportError, SyntaxError)


class Modules(Protocol):
    """Where a routed module finds the real ones."""

    def load(self, generation: Generation, name: str) -> Any:
        """Return the generation's module *name*; run its code first if that has not been done."""

    def loaded(self, generation: Generation, name: str) -> Any:
        """Return the generation's module *name* if the calling thread may see it, else None."""


@part_of_import
class RoutedModule(ModuleType):
    """Represents a user module in `sys.modules`.

    Attribute access goes to the module of the active generation, which is loaded first if that has not been done.
    Its own namespace has only the descriptive attributes of the version that it was made for.
    """

    __slots__ = ("_modules", "_name")

    def __init__(self, name: str, modules: Modules, like: Any = None) -> None:
        super().__init__(name)
        _set_name(self, name)
        _set_modules(self, modules)
        theirs = getattr(like, "__dict__", {})
        _own(self).update((key, theirs[key]) for key in WRITTEN_BY_IMPORT & theirs.keys())

    def __getattribute__(self, attribute: str) -> Any:
        try:
            generation = active()
            if generation is None:
                return super().__getattribute__(attribute)
            name, modules = name_of(self), _modules_of(self)
            if attribute in DESCRIPTIVE:
                module = modules.loaded(generation, name)
                return super().__getattribute__(attribute) if module is None else getattr(module, attribute)
            if generation.imports is not None:
                note_imports((name,), calling_names())
            try:
                module = modules.load(generation, name)
            except ModuleNotFoundError as error:
                if error.name != name:
                    raise
                # For code that holds an object of an older generation, the attribute is missing, not broken.
                raise AttributeError(f"module {name!r} is not part of generation {generation.number}") from error
            return getattr(module, attribute)
        except BaseException as error:
            hide_own_frames(error, RAISED)
            raise

    def __setattr__(self, attribute: str, value: Any) -> None:
        generation = active()
        target = None if generation is None else _written(self, generation, attribute)
        if generation is None or target is None:
            super().__setattr__(attribute, value)
            return
        if type(value) is RoutedModule:
            # The import system binds a submodule to its package. User code has to find the real module there.
            value = _modules_of(value).loaded(generation, name_of(value)) or value
        setattr(target, attribute, value)

    def __delattr__(self, attribute: str) -> None:
        generation = active()
        target = None if generation is None else _written(self, generation, attribute)
        if target is None:
            super().__delattr__(attribute)
        else:
            delattr(target, attribute)

    def __dir__(self) -> list[str]:
        generation = active()
        return list(super().__dir__()) if generation is None else dir(_modules_of(self).load(generation, name_of(self)))

    def __repr__(self) -> str:
        return f"<routed module {name_of(self)!r}>"


# These read and write what a routed module has itself; `__getattribute__` would pass on.
_own: Any = vars(ModuleType)["__dict__"].__get__
name_of: Any = vars(RoutedModule)["_name"].__get__
_set_name: Any = vars(RoutedModule)["_name"].__set__
_modules_of: Any = vars(RoutedModule)["_modules"].__get__
_set_modules: Any = vars(RoutedModule)["_modules"].__set__


def _written(routed: RoutedModule, generation: Generation, attribute: str) -> Any:
    """Return the module that a write to an attribute goes to; None for the routed module itself."""
    name, modules = name_of(routed), _modules_of(routed)
    return modules.loaded(generation, name) if attribute in WRITTEN_BY_IMPORT else modules.load(generation, name)
