"""Conformance tells what fails only with autoreload on. Its suites take an hour: `make conformance`."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.any_python


@pytest.fixture(autouse=True)
def _path(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))


TESTS = {
    "shop.py": "PRICE = 1\nfrom ponyreload import generation\n",
    "tests/test_a.py": """
import os, sys, shop
def test_good(): assert shop.PRICE == 1
def test_bad(): assert False
def test_generation(): assert shop.generation() == 0
def test_end(): os._exit(3)
""",
    "tests/test_b.py": "import shop, sys\ndef test_module(): assert type(shop) is type(sys)\n",
}


@pytest.mark.parametrize(
    ("mode", "new"),
    [
        ("system", ["tests/test_a.py::test_generation"]),
        ("user", ["tests/test_a.py::test_generation", "tests/test_b.py::test_module"]),
    ],
)
def test_what_fails_only_with_autoreload_is_found_also_after_a_crash(tmp_path, mode, new):
    from benchmarks.conformance.__main__ import new_failures
    from benchmarks.conformance.running import Job, run

    for name, text in TESTS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    job = Job("shop", ("tests/test_a.py", "tests/test_b.py"), tmp_path, str(tmp_path))
    plain, outcomes = run(job, "off"), run(job, mode)
    assert plain["tests/test_a.py::test_bad"].word == "failed"
    assert "assert False" in plain["tests/test_a.py::test_bad"].text
    assert plain["tests/test_a.py::test_end"].text.startswith("the process ended with 3:")
    assert outcomes["tests/test_a.py::test_good"].word == "passed"
    assert new_failures(plain, outcomes) == new


def test_a_module_of_the_interpreters_suite_is_run_test_by_test():
    from benchmarks.conformance.running import Job, run

    pytest.importorskip("test.test_copy", reason="this Python has no test suite: libpython3-testsuite on Debian")
    outcomes = run(Job(None, ("test.test_copy",), None), "user")
    assert outcomes["test.test_copy.TestCopy.test_copy_basic"].word == "passed"
    assert not any(outcome.is_bad for outcome in outcomes.values())


LISTED = """
# A reason
# of two lines.
flask system,user * tests/test_cli.py::test_x[a b]
?flask user 3.2 tests/test_cli.py::test_y*

# Another one.
pluggy user * testing/test_hook.py::test_z
"""


def test_the_list_is_compared_both_ways():
    from benchmarks.conformance import expected

    rows = expected.read(LISTED)
    assert [(row.reason, row.comes_and_goes) for row in rows] == [
        ("A reason of two lines.", False), ("A reason of two lines.", True), ("Another one.", False),
    ]  # fmt: skip
    assert [row.is_for("flask", "user") for row in rows] == [True, False, False]
    x, y, _ = rows
    assert expected.compare([x.test, "other"], rows[:2], [x.test, "other"]) == (["other"], [])
    assert expected.compare(["tests/test_cli.py::test_y2"], [x, y], [x.test]) == ([], [x])
    assert expected.compare([], [x, y], ["tests/test_cli.py::test_y1"]) == ([], [])


def test_each_line_of_the_list_names_a_suite_and_has_a_reason():
    from benchmarks.conformance import expected
    from benchmarks.conformance.suites import CPYTHON, MODES, SUITES

    rows = expected.read(expected.LIST.read_text(encoding="utf-8"))
    assert rows
    for row in rows:
        assert row.suite in (*SUITES, *CPYTHON), row
        assert set(row.modes) <= set(MODES[1:]), row
        assert row.reason, row
