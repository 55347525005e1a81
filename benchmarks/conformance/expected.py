"""The list of failures that are expected, in `expected.txt`, each with its reason."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

__all__ = ["Expected", "compare", "read"]

LIST = Path(__file__).with_name("expected.txt")


class Expected(NamedTuple):
    """A line of the list.

    Sample row: ``Expected("flask", ("system", "user"), ("3.11", "3.12"), "tests/test_cli.py::test_x", False, "It …")``.
    No Pythons means all. A test that ends in ``*`` stands for all that begin like it. One that comes and goes does not
    have to fail.
    """

    suite: str
    modes: tuple[str, ...]
    pythons: tuple[str, ...]
    test: str
    comes_and_goes: bool
    reason: str

    def is_for(self, suite: str, mode: str) -> bool:
        this = ".".join(platform.python_version_tuple()[:2])
        return self.suite == suite and mode in self.modes and (not self.pythons or this in self.pythons)

    def names(self, test: str) -> bool:
        return test.startswith(self.test[:-1]) if self.test.endswith("*") else test == self.test


def read(text: str) -> list[Expected]:
    """Return the lines of the list, such as ``flask system,user 3.11,3.12 tests/test_cli.py::test_x``.

    The Pythons are ``*`` for all. A ``?`` before the suite says that the test comes and goes. The reason stands above,
    after a ``#``; an empty line ends it.
    """
    found: list[Expected] = []
    reason: list[str] = []
    is_reason_over = True
    for line in text.splitlines():
        if line.startswith("#"):
            reason = [*([] if is_reason_over else reason), line.removeprefix("#").strip()]
            is_reason_over = False
        elif line.strip():
            is_reason_over = True
            suite, modes, pythons, test = line.split(maxsplit=3)
            versions = () if pythons == "*" else tuple(pythons.split(","))
            row = Expected(
                suite.removeprefix("?"),
                tuple(modes.split(",")),
                versions,
                test,
                suite.startswith("?"),
                " ".join(reason),
            )
            found.append(row)
        else:
            reason, is_reason_over = [], True
    return found


def compare(
    failures: Iterable[str], rows: Iterable[Expected], tests: Iterable[str]
) -> tuple[list[str], list[Expected]]:
    """Compare with the *rows* for this suite and mode.

    Args:
        failures: The tests that fail newly.
        rows: What the list has for them.
        tests: All tests that were run: a row about others is passed over.

    Returns:
        The failures that no row names, and the rows that name no failure.
    """
    failures, rows, tests = set(failures), list(rows), list(tests)
    unlisted = sorted(test for test in failures if not any(row.names(test) for row in rows))
    met = [row for row in rows if not row.comes_and_goes and any(map(row.names, tests))]
    return unlisted, [row for row in met if not any(map(row.names, failures))]
