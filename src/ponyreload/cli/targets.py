"""Targets: what the user wants served, and how to find the application of each generation there."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from ponyreload.cli.problems import TargetError
from ponyreload.generations.context import active
from ponyreload.imports.names import file_of, namespace_of
from ponyreload.reporting import say, shown

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["APPLICATIONS", "FACTORIES", "Target"]

# The usual names, in the order in which they are tried.
APPLICATIONS = ("app", "application", "wsgi_app", "wsgi")
FACTORIES = ("create_app", "make_app", "create_application", "make_application", "get_app", "build_app")
# Submodules that are searched for the application of a package that has none itself.
MODULES = ("wsgi", "app", "application", "main", "web", "server")

FORM = re.compile(r"(?P<where>.+?)(?::(?P<path>[^\W\d]\w*(?:\.[^\W\d]\w*)*)(?P<call>\(\))?)?")
ACCEPTED = "module, module:attribute, module:factory(), file.py or file.py:attribute"


class Target(NamedTuple):
    """Where an application is.

    Sample row: ``Target("shop.wsgi:app", "shop.wsgi", "app", False, "/site")``.

    Attributes:
        text: The target as the user wrote it.
        module: Name of its module.
        path: The attribute, perhaps dotted; empty to try the usual names.
        is_factory: Whether the attribute is called, without arguments, to get the application.
        folder: Absolute path of the folder that the module is imported from.
    """

    text: str
    module: str
    path: str
    is_factory: bool
    folder: str

    @classmethod
    def parsed(cls, text: str, base: str) -> Target:
        """Make a target from the user's text.

        Args:
            text: A module or a file, and perhaps an attribute.
            base: The folder that both are relative to.

        Raises:
            TargetError: The text is not a valid target, or there is no such file.
        """
        found = FORM.fullmatch(text)
        if found is None:
            raise TargetError(f"Invalid target {text!r}: expected {ACCEPTED}")
        where, path, is_factory = found["where"], found["path"] or "", bool(found["call"])
        if where.endswith((".py", ".pyw")) or "/" in where or os.sep in where:
            folder, module = _of_file(where, base)
        else:
            folder, module = base, where
            if not all(part.isidentifier() for part in module.split(".")):
                raise TargetError(f"Invalid target {text!r}: expected {ACCEPTED}")
        return cls(text, module, path, is_factory, folder)

    def make_importable(self) -> None:
        """Put the target's folder first on the import path. Say which of its files come too late to be imported."""
        if self.folder not in map(os.path.abspath, sys.path):
            sys.path.insert(0, self.folder)
            for name in sorted(set(_modules_in(self.folder)) & sys.modules.keys()):
                file = file_of(namespace_of(name, sys.modules[name]))
                if file is not None and not file.startswith(os.path.join(self.folder, "")):
                    text = f"{shown(self.folder)} has a module {name}, but {file} is loaded already: rename yours"
                    say(text, logging.WARNING)

    def find(self) -> WSGIApplication:
        """Return the application that the active generation has here, importing what is needed for that.

        Raises:
            TargetError: There is none.
            BaseException: What the user's code raises.
        """
        try:
            module = _imported(self.module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{self.module}.".startswith(f"{error.name}."):
                raise
            where = "the current folder" if self.folder == os.getcwd() else shown(self.folder)
            raise TargetError(f"No module named {error.name!r} in {where} or among the installed packages") from None
        if self.path:
            return self._named(module)
        found = _usual(module)
        if found is None and hasattr(module, "__path__"):
            for child in MODULES:
                if importlib.util.find_spec(f"{self.module}.{child}") is not None:
                    found = _usual(_imported(f"{self.module}.{child}"))
                    if found is not None:
                        break
        if found is None:
            names = ", ".join((*APPLICATIONS, *FACTORIES[:2]))
            raise TargetError(f"{self.module} has no application under a usual name ({names} …); {_offer(module)}")
        return found

    def _named(self, module: ModuleType) -> WSGIApplication:
        value: Any = module
        for part in self.path.split("."):
            try:
                value = getattr(value, part)
            except AttributeError:
                close = difflib.get_close_matches(part, dir(value), 1) if value is module else []
                offer = f"did you mean {self.module}:{close[0]}?" if close else _offer(module)
                raise TargetError(f"{self.module} has no attribute {self.path!r}; {offer}") from None
        name = f"{self.module}:{self.path}"
        if not callable(value):
            raise TargetError(f"{name} is not a WSGI application: {type(value).__name__!r} object is not callable")
        if self.is_factory or (not _takes(value, 2) and _takes(value, 0)):
            return _made(name, value)
        if not _takes(value, 2):
            raise TargetError(f"{name} is not a WSGI application: it does not take (environ, start_response)")
        return value  # type: ignore[no-any-return]


def _modules_in(folder: str) -> Iterator[str]:
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py") or os.path.isfile(os.path.join(entry.path, "__init__.py")):
                yield entry.name.removesuffix(".py")


def _of_file(where: str, base: str) -> tuple[str, str]:
    """Return the folder to import from, and the module's name: "/site/shop/wsgi.py" -> ("/site", "shop.wsgi")."""
    file = os.path.join(base, os.path.expanduser(where))
    file = os.path.abspath(file)
    if not os.path.exists(file):
        raise TargetError(f"No such file: {shown(file)}")
    if os.path.isdir(file):
        if not os.path.isfile(os.path.join(file, "__init__.py")):
            raise TargetError(f"Folder {shown(file)} is not a package: name a file in it")
    elif os.path.basename(file) == "__init__.py":
        file = os.path.dirname(file)
    folder, name = os.path.split(os.path.splitext(file)[0] if os.path.isfile(file) else file)
    while os.path.isfile(os.path.join(folder, "__init__.py")):
        folder, package = os.path.split(folder)
        name = f"{package}.{name}"
    if not all(part.isidentifier() for part in name.split(".")):
        raise TargetError(f"Cannot import {shown(file)}: {name!r} is not a valid module name")
    return folder, name


def _imported(name: str) -> Any:
    """Return the active generation's own module, or the system's."""
    module = importlib.import_module(name)
    generation = active()
    return module if generation is None else generation.modules.get(name, module)


def _usual(module: Any) -> WSGIApplication | None:
    """Return the module's application under a usual name, or None."""
    # Not by `getattr`: the `__getattr__` of a lazy module would fire.
    namespace = vars(module)
    for name in APPLICATIONS:
        value = namespace.get(name)
        # A class of that name is most likely the class of the application.
        if callable(value) and not isinstance(value, type) and _takes(value, 2):
            return value  # type: ignore[no-any-return]
    for name in FACTORIES:
        value = namespace.get(name)
        if callable(value) and _takes(value, 0):
            return _made(f"{module.__name__}:{name}", value)
    return None


def _made(name: str, factory: Any) -> WSGIApplication:
    if not _takes(factory, 0):
        raise TargetError(f"Cannot call {name}() without arguments: wrap it in a function that takes none")
    app = factory()
    if not callable(app):
        raise TargetError(f"{name}() returned {type(app).__name__}, not a WSGI application")
    return app  # type: ignore[no-any-return]


def _takes(value: Any, count: int) -> bool:
    """Tell whether a callable takes *count* positional arguments. If that cannot be found out, 2 is assumed."""
    try:
        inspect.signature(value).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:
        return count == 2  # written in C
    return True


def _offer(module: Any) -> str:
    """Return a hint: what in the module may be meant."""
    names = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and callable(value) and _is_its_own(module, value) and _takes(value, 2)
    ]
    if not names:
        return "nothing in it takes (environ, start_response)"
    return f"did you mean {' or '.join(f'{module.__name__}:{name}' for name in names[:5])}?"


def _is_its_own(module: Any, value: Any) -> bool:
    """Tell whether *value* was made in the module: its own function or class, or an object."""
    home = getattr(value, "__module__", None)
    return home == module.__name__ or not (isinstance(value, type) or inspect.isroutine(value))
