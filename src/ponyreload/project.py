"""The project: which source files are the user's, and imports of our own that never run one of them."""

from __future__ import annotations

import builtins
import functools
import os
import site
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from ponyreload.tracebacks import hide_own_frames, part_of_import

__all__ = [
    "HiddenError", "begin_in_child", "is_installed", "is_project_file", "library_folders", "lock", "own_imports",
    "plain_import",
]  # fmt: skip

OURSELVES = os.path.dirname(os.path.abspath(__file__))
_namespace: Any = vars(ModuleType)["__dict__"].__get__


@functools.cache
def library_folders() -> tuple[str, ...]:
    """Return the folders that hold the standard library and installed packages, each with a separator at its end."""
    # Not from sysconfig: it would import a large module of build settings for the same answer.
    found = [os.path.dirname(os.__file__)]
    found += site.getsitepackages() if hasattr(site, "getsitepackages") else []
    found += [site.getusersitepackages()] if hasattr(site, "getusersitepackages") else []
    # /usr/lib/python3 holds Debian's dist-packages, which a virtual environment does not name.
    found += ["/usr/lib/python3"] if os.name == "posix" else []
    folders = {os.path.join(os.path.abspath(path), "") for path in found}
    return tuple(sorted(folders | {os.path.join(os.path.realpath(path), "") for path in found}))


def is_project_file(file: str | None) -> bool:
    """Tell whether *file* is source of the user's project: outside the library folders, and not ours."""
    if file is None or not file.endswith((".py", ".pyw")) or is_installed(file):
        return False
    return not file.startswith((*library_folders(), os.path.join(OURSELVES, "")))


def is_installed(file: str) -> bool:
    """Tell whether *file* lies where packages are installed to, perhaps of another environment."""
    folders = file.replace(os.altsep or os.sep, os.sep).split(os.sep)
    return "site-packages" in folders or "dist-packages" in folders


class HiddenError(ImportError):
    """A file of the project has the name of a module that we need; its text says so in one line."""


# Protects the row of each thread in `_own`, and what `builtins.__import__` is. Held for a moment only, never while a
# module is imported; over a fork too, where it is the innermost one.
lock = threading.Lock()
# Threads that import something for us -> the library that they import, or "":  {140187: "watchdog.observers"}
_own: dict[int, str] = {}
_plain: Any = None


@contextmanager
def own_imports(library: str = "") -> Iterator[None]:
    """Run a block that imports modules for us, not for the user: none of them is a file of the project.

    Such a file may be named like a module of the standard library, or like one that ours import in their turn. It is
    what the user's own imports find, so we do not put another module in its place either.

    Args:
        library: The module of a library that the block imports, such as "watchdog.observers". Then no file of the
            project is imported, but for this library itself, which its developers may have in their project.
            Otherwise only the names of the standard library are looked at.

    Raises:
        HiddenError: A file of the project is in the way.
    """
    global _plain
    me = threading.get_ident()
    with lock:
        before = _own.get(me)
        if not _own:
            _plain, builtins.__import__ = builtins.__import__, _import
        _own[me] = library
    try:
        yield
    finally:
        with lock:
            if before is None:
                del _own[me]
            else:
                _own[me] = before
            _restore()


def plain_import() -> Any:
    """Return the function that `builtins.__import__` is, or will be again."""
    return _plain if builtins.__import__ is _import else builtins.__import__


def begin_in_child() -> None:
    """Forget, in a forked process, the imports of threads that are not here."""
    me = threading.get_ident()
    for thread in _own.keys() - {me}:
        del _own[thread]
    _restore()


def _restore() -> None:
    # Whoever has wrapped it meanwhile goes on with the wrapper.
    if not _own and builtins.__import__ is _import:
        builtins.__import__ = _plain


@part_of_import
def _import(
    name: str,
    globals: Mapping[str, object] | None = None,
    locals: Mapping[str, object] | None = None,
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> Any:
    """Stand in for `builtins.__import__` while a thread imports something for us."""
    library = _own.get(threading.get_ident())
    if library is not None and not level:
        _require(name.partition(".")[0], library)
    try:
        return _plain(name, globals, locals, fromlist, level)
    except BaseException as error:
        hide_own_frames(error)  # other threads come by here too
        raise


def _require(top: str, library: str) -> None:
    """Raise a `HiddenError` if what an import finds under the name *top* is a file of the project."""
    is_standard = top in sys.stdlib_module_names
    if top in sys.builtin_module_names or not (is_standard or library):
        return
    module = sys.modules.get(top)
    if module is None:
        finders = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]
        specs = (finder.find_spec(top, None, None) for finder in finders)
        file = next((spec.origin for spec in specs if spec is not None), None)
    else:
        file = _namespace(module).get("__file__") if issubclass(type(module), ModuleType) else None
    if type(file) is str and is_project_file(file) and not _is_whole(top, file, library):
        whose = "Python's" if is_standard else "the library"
        raise HiddenError(f"{file} hides {whose} {top}, which ponyreload needs: rename it", name=top, path=file)


def _is_whole(top: str, file: str, library: str) -> bool:
    """Tell whether a package of the project is this library, and not only named like it."""
    package, _, child = library.partition(".")
    base = os.path.join(os.path.dirname(file), child)
    return top == package and file.endswith("__init__.py") and (os.path.isdir(base) or os.path.isfile(f"{base}.py"))
