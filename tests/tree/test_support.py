"""The tests' own support: what a driver costs, and what becomes of tests whose programs are missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from browsers import browser_program

pytestmark = pytest.mark.any_python

TESTS = Path(__file__).parents[1]
NEEDY = """
    import pytest
    from programs import found

    def test_a(): pass

    @pytest.mark.parametrize("number", [1, 2])
    def test_b(number):
        found("no-such-server", "no-such-package")

    def test_c():
        found("sh", "dash")
"""
SHARED = """
    import pytest

    @pytest.mark.any_python
    @pytest.mark.parametrize("number", range(5))
    def test_shared(number): pass

    def test_own(): pass
"""


def test_a_driver_imports_neither_pytest_nor_what_only_tests_need(project):
    told = project({}).drive("tell(modules=sorted(sys.modules))")
    assert "driving" in told["modules"]
    costly = {
        "_pytest",
        "pytest",
        "http.client",
        "live",
        "projects",
        "random",
        "shutil",
        "socket",
        "subprocess",
        "tempfile",
    }
    assert not costly & set(told["modules"])


def run(project, *arguments, text=NEEDY, **environment):
    """Run a file of tests with the settings of these tests; return the lines of the report."""
    site = project({"test_needy.py": text})
    path = os.pathsep.join((str(TESTS), str(TESTS / "support")))
    settings = ("-c", str(TESTS.parent / "pyproject.toml"), "-p", "conftest", "-p", "no:cacheprovider")
    done = site.run("-m", "pytest", *settings, "test_needy.py", *arguments, check=False, PYTHONPATH=path, **environment)
    return done.stdout.splitlines()


def test_what_is_left_out_is_told_at_the_end_with_the_way_to_get_it(project):
    lines = run(project, CI="")
    at = next(number for number, line in enumerate(lines) if line.strip("= ") == "left out")
    assert lines[at + 1] == (
        "2 tests: no-such-server is missing: apt-get install --no-install-recommends no-such-package"
    )
    assert lines[-1].strip("= ").startswith("2 passed, 2 skipped in")


def test_in_ci_nothing_is_left_out(project):
    lines = run(project, CI="true")
    assert lines[-1].strip("= ").startswith("2 failed, 2 passed in")


@pytest.mark.parametrize(("part", "expected"), [("1/2", [0, 2, 4]), ("2/2", [1, 3])])
def test_two_runs_share_what_hardly_varies_with_python_and_each_has_all_else(project, part, expected):
    lines = run(project, "-v", "--any-python", part, text=SHARED)
    passed = sorted(line.split()[0].partition("::")[2] for line in lines if "PASSED" in line)
    assert passed == ["test_own", *(f"test_shared[{number}]" for number in expected)]
    assert f"{5 - len(expected)} deselected" in lines[-1]


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Make programs that are found, by name, each with its exit status."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", "")

    def make(**statuses):
        for name, status in statuses.items():
            (tmp_path / name).write_text(f"#!/bin/sh\nexit {status}\n")
            (tmp_path / name).chmod(0o755)
        return tmp_path

    return make


def test_the_browser_is_the_one_that_playwright_has_downloaded_or_the_systems(programs):
    folder = programs(chrome=0, chromium=0)
    assert browser_program(f"{folder}/chrome") == f"{folder}/chrome"
    assert browser_program(f"{folder}/missing/chrome") == f"{folder}/chromium"


def test_a_script_that_only_says_how_to_install_the_browser_is_not_the_browser(programs):
    folder = programs(**{"chromium-browser": 1})
    with pytest.raises(pytest.skip.Exception, match=r"Chromium is missing: .*playwright install chromium, or apt-get"):
        browser_program(f"{folder}/missing/chrome")
    programs(**{"google-chrome": 0})
    assert browser_program(f"{folder}/missing/chrome") == f"{folder}/google-chrome"
