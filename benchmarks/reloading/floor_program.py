"""The floor as a program: `floor.py` starts it in a folder with the application, and edits that.

python floor_program.py shop/prices.py
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import importlib.machinery
import json
import os
import select
import sys
import time
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

PACKAGE = "shop"
CLOSE_WRITE, MOVED_TO = 0x8, 0x80  # of inotify


class Floor:
    """All user modules of the application in this process, and their code objects."""

    def __init__(self) -> None:
        # In the order in which they came to be complete, so that each finds what it imports:
        #   "shop.prices" -> (its spec, its code object)
        self._codes: dict[str, tuple[importlib.machinery.ModuleSpec, CodeType]] = {}

    def load(self) -> None:
        """Import the application once, and note the order."""
        sys.meta_path.insert(0, self)
        importlib.import_module(f"{PACKAGE}.wsgi")
        sys.meta_path.remove(self)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Be asked for each module's first import, as a finder of the import system."""
        if name.partition(".")[0] != PACKAGE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None:
            spec.loader = Noting(spec.loader, self._codes)  # type: ignore[assignment]
        return spec

    def compile(self, file: str, data: bytes) -> None:
        """Put another code object for the module of *file*."""
        code = compile(data, file, "exec", dont_inherit=True)
        for name, (spec, _) in self._codes.items():
            if spec.origin == file:
                self._codes[name] = (spec, code)

    def execute(self) -> None:
        """Execute all code objects in new modules. The old ones go, as they would."""
        modules = {name: ModuleType(name) for name in self._codes}
        for name, module in modules.items():
            spec = self._codes[name][0]
            namespace = vars(module)
            namespace["__spec__"] = spec
            namespace["__file__"] = spec.origin
            namespace["__package__"] = spec.parent
            if spec.submodule_search_locations is not None:
                namespace["__path__"] = spec.submodule_search_locations
            sys.modules[name] = module
            parent, _, child = name.rpartition(".")
            if parent:
                setattr(modules[parent], child, module)
        for name, (_, code) in self._codes.items():
            exec(code, vars(modules[name]))


class Noting:
    """A loader that notes a module's code when it has run."""

    def __init__(self, loader: Any, codes: dict[str, Any]) -> None:
        self._loader = loader
        self._codes = codes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        assert spec is not None
        assert spec.origin is not None
        code = compile(Path(spec.origin).read_bytes(), spec.origin, "exec", dont_inherit=True)
        exec(code, vars(module))
        self._codes[spec.name] = (spec, code)


def run(file: str) -> None:
    """Print a line when all is loaded, and one for each edit of *file*: the moments at which each stage was over."""
    floor = Floor()
    floor.load()
    libc = ctypes.CDLL(None, use_errno=True)
    notify = libc.inotify_init()
    libc.inotify_add_watch(notify, os.path.dirname(file).encode(), CLOSE_WRITE | MOVED_TO)
    name = os.path.basename(file).encode()
    path = os.path.abspath(file)
    print("ready", flush=True)
    while True:
        select.select([notify], [], [])
        events = os.read(notify, 65536)
        if name not in events:
            continue  # the temporary file is written
        moments = [time.monotonic()]
        with open(path, "rb") as stream:
            data = stream.read()
        hashlib.blake2b(data, digest_size=16).digest()
        moments.append(time.monotonic())
        floor.compile(path, data)
        moments.append(time.monotonic())
        floor.execute()
        moments.append(time.monotonic())
        print(json.dumps(moments), flush=True)


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    run(sys.argv[1])
