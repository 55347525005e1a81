"""Importers: which modules import a module, according to their import statements."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import resolve_name
from typing import NamedTuple

from ponyreload.generations.generation import Generation
from ponyreload.imports.names import MAIN, file_of, unrouted_modules

__all__ = ["Importer", "files_of_modules", "importers_of"]


class Importer(NamedTuple):
    """A module, and the line where it imports another one: ``Importer("shop.views", "/site/shop/views.py", 3)``."""

    name: str
    file: str
    line: int


def files_of_modules(generation: Generation | None) -> dict[str, str]:
    """Return the source files of all modules: "shop.cart" -> "/site/shop/cart.py"."""
    files = {} if generation is None else dict(generation.files)
    for name, _, namespace in unrouted_modules():
        file = file_of(namespace)
        if file is not None and name not in files and name != MAIN:
            files[name] = file
    return files


def importers_of(target: str, files: Mapping[str, str]) -> list[Importer]:
    """Return the modules that import *target*, or a module below it, anywhere in their code."""
    found = []
    for name, file in files.items():
        top = name.partition(".")[0]
        if name == target or top in sys.stdlib_module_names or top == "ponyreload" or not file.endswith(".py"):
            continue
        line = _line_of_import(target, name, file)
        if line:
            found.append(Importer(name, file, line))
    return sorted(found)


def _line_of_import(target: str, name: str, file: str) -> int:
    """Return the first line on which a module imports *target*; 0 if it does not."""
    try:
        with open(file, "rb") as stream:
            data = stream.read()
        if target.rpartition(".")[2].encode() not in data:
            return 0
        tree = ast.parse(data)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return 0
    is_package = file.endswith("__init__.py")
    package = name if is_package else name.rpartition(".")[0]
    lines = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom) and _is_among(target, _imported(node, package))
    ]
    return min(lines, default=0)


def _imported(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[str]:
    """Yield the names that an import statement may import."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    base = node.module or ""
    if node.level:
        try:
            base = resolve_name("." * node.level + base, package)
        except ImportError:
            return
    yield base
    yield from (f"{base}.{alias.name}" for alias in node.names)


def _is_among(target: str, names: Iterable[str]) -> bool:
    return any(name == target or name.startswith(f"{target}.") for name in names)
