"""Suites: whose tests are run, where they are, and which of them make the quick part."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["CPYTHON", "CPYTHON_QUICK", "MODES", "SUITES", "Suite"]

# Autoreload is off; the library is a system module; the library is a user module.
MODES = ("off", "system", "user")


class Suite(NamedTuple):
    """The tests of one library.

    Attributes:
        library: The package or module that is tested; that of the interpreter's own suites is the test module itself.
        source: Where it is below the folder of its source distribution. None: it is tested as it is installed.
        tests: Glob patterns of the test files, below the same folder, or below that of the installed library.
        quick: The files that the quick part takes: all that the patterns find, if it is None; none, if it is empty.
        arguments: What pytest gets besides.
    """

    library: str
    source: str | None
    tests: tuple[str, ...]
    quick: tuple[str, ...] | None = ()
    arguments: tuple[str, ...] = ()


SUITES = {
    "lazy_loader": Suite("lazy_loader", "", ("lazy_loader/tests/test_*.py",), None),
    "pluggy": Suite("pluggy", "src", ("testing/test_*.py",), None),
    "flask": Suite(
        "flask",
        "src",
        ("tests/test_*.py",),
        ("test_appctx.py", "test_basic.py", "test_cli.py", "test_instance_config.py"),
    ),
    "werkzeug": Suite("werkzeug", "src", ("tests/**/test_*.py",)),
    "bottle": Suite("bottle", "", ("test/test_*.py",)),
    "pyramid": Suite("pyramid", "src", ("tests/**/test_*.py",)),
    "cheroot": Suite("cheroot", None, ("test/test_*.py",)),
    "cherrypy": Suite("cherrypy", None, ("test/test_*.py",)),
}

# Of CPython's own. Those that the interpreter does not have are left out.
CPYTHON = (
    "test_import", "test_importlib", "test_pkgutil", "test_runpy", "test_module", "test_lazy_import", "test_pickle",
    "test_copy", "test_dataclasses", "test_typing", "test_enum", "test_threading", "test_logging", "test_warnings",
    "test_linecache", "test_inspect", "test_traceback", "test_weakref", "test_concurrent_futures", "test_asyncio",
)  # fmt: skip
CPYTHON_QUICK = ("test_import", "test_pkgutil")
