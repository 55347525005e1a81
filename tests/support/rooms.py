"""Rooms: which package of a tree imports which, and what breaks the one way that imports go."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = ["Tree"]


class Import(NamedTuple):
    """One import:  Import("wsgi.slots", 12, "reloading.reloader")."""

    importer: str
    line: int
    imported: str


class Tree:
    """The Python files of a package, read as text; nothing is imported.

    Args:
        folder: The package's folder. Its name is that of the package.
        levels: Its rooms from the top down: packages, and files of the root by their stem. Each room may import from
            those on lower levels, and from itself.
        foreign: Private names of other libraries' classes, which a class of ours may override.
    """

    def __init__(self, folder: Path, levels: Sequence[str], foreign: Sequence[str] = ()) -> None:
        self._foreign = foreign
        self._name = folder.name
        self._height = {room: -number for number, line in enumerate(levels) for room in line.split()}
        files = sorted(folder.rglob("*.py"))
        # "wsgi.slots" -> its syntax tree;  "wsgi.__init__" for a package
        self.modules: Mapping[str, ast.Module] = {
            ".".join(file.relative_to(folder).with_suffix("").parts): ast.parse(file.read_text(encoding="utf-8"))
            for file in files
        }

    @property
    def imports(self) -> Iterator[Import]:
        """All imports of the package's own modules, those under TYPE_CHECKING and in functions too."""
        for name, module in self.modules.items():
            for node in ast.walk(module):
                if isinstance(node, ast.ImportFrom):
                    assert node.level == 0, f"{name}:{node.lineno} has a relative import"
                    found = [
                        self._module(f"{node.module}.{alias.name}") or self._module(str(node.module))
                        for alias in node.names
                    ]
                elif isinstance(node, ast.Import):
                    found = [self._module(alias.name) for alias in node.names]
                else:
                    continue
                yield from (Import(name, node.lineno, each) for each in dict.fromkeys(found) if each is not None)

    def _module(self, name: str) -> str | None:
        if name != self._name and not name.startswith(f"{self._name}."):
            return None
        inner = name[len(self._name) + 1 :]
        return next((each for each in (inner, f"{inner}.__init__".lstrip(".")) if each in self.modules), None)

    def unplaced(self) -> list[str]:
        """Return the rooms that have no level, and the names among the levels that are no room."""
        return sorted({_room(name) for name in self.modules} ^ self._height.keys())

    def upward(self) -> list[str]:
        """Return the imports from a room on the same or a higher level."""
        return [
            f"{each.importer}:{each.line} imports {each.imported}"
            for each in self.imports
            if _room(each.importer) != _room(each.imported)
            and self._height[_room(each.imported)] >= self._height[_room(each.importer)]
        ]

    def circles(self) -> list[str]:
        """Return the packages, of any depth, that import each other, directly or not."""
        arrows: dict[str, set[str]] = {}
        for each in self.imports:
            here, there = _package(each.importer), _package(each.imported)
            if here != there:
                arrows.setdefault(here, set()).add(there)
        return sorted(name for name in arrows if name in _reached(arrows, name))

    def private_across(self) -> list[str]:
        """Return the uses of private names that only other packages define: imports, and attributes of objects."""
        defined: dict[str, set[str]] = {}
        for name, module in self.modules.items():
            defined.setdefault(_package(name), set()).update(_private_names(module))
        everywhere = set().union(*defined.values()).difference(self._foreign)
        found = []
        for name, module in self.modules.items():
            foreign = everywhere - defined[_package(name)]
            libraries = {
                (alias.asname or alias.name).partition(".")[0]
                for node in ast.walk(module)
                if isinstance(node, ast.Import)
                for alias in node.names
            }
            for node in ast.walk(module):
                if isinstance(node, ast.ImportFrom) and self._module(str(node.module)) is not None:
                    used = [alias.name for alias in node.names if _is_private(alias.name)]
                    is_own = _package(self._module(str(node.module)) or "") == _package(name)
                    found += [f"{name}:{node.lineno} imports {each}" for each in used if not is_own]
                elif isinstance(node, ast.Attribute) and node.attr in foreign:
                    if isinstance(node.value, ast.Name) and node.value.id in libraries:
                        continue  # a module of Python's own, such as os._exit
                    found.append(f"{name}:{node.lineno} uses .{node.attr}")
        return found


def _room(module: str) -> str:
    return module.partition(".")[0]


def _package(module: str) -> str:
    """Return the package that a module is in; a file of the root is one by itself."""
    return module.rpartition(".")[0] or module


def _reached(arrows: Mapping[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    todo = [start]
    while todo:
        new = arrows.get(todo.pop(), set()) - found
        found |= new
        todo += new
    return found


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _private_names(module: ast.Module) -> Iterator[str]:
    """Yield the private functions, classes, variables and attributes that a module defines."""
    for node in ast.walk(module):
        name = ""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            name = node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            # Of another object than its own, it is that object's.
            name = node.attr if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls") else ""
        elif isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "__slots__" for target in node.targets
        ):
            yield from (
                each.value
                for each in ast.walk(node.value)
                if isinstance(each, ast.Constant) and isinstance(each.value, str) and _is_private(each.value)
            )
        if _is_private(name):
            yield name
