"""The soak runs, and its bounds are bounds. Its full length takes minutes: `make soak`."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from projects import HERE, SOURCE

pytestmark = pytest.mark.any_python

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def soak(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import soak

    return soak


def run(*arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(SOURCE), str(HERE), str(BENCHMARKS)))},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_short_soak_finds_nothing_that_grows():
    done = run(str(BENCHMARKS / "soak.py"), "--reloads", "40")
    assert done.returncode == 0, done.stdout + done.stderr
    table = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()]
    assert table[0] == [
        "reloads", "requests", "failed", "mixed", "generations at rest", "threads", "open files", "memory (RSS, MiB)",
    ]  # fmt: skip
    assert [row[0] for row in table[2:]] == ["0", "20", "40"]
    assert int(table[-1][1].replace(",", "")) > 40
    assert table[-1][2:5] == ["0", "0", "2"]


# Has a system module hold a function, instead of closing the database.
CARELESS = """
    import soak, soak_shop, sys
    careless = "probe.kept = [*getattr(probe, 'kept', []), work]"
    soak_shop.INGREDIENTS["database"] = soak_shop.INGREDIENTS["database"].replace("connection.close()", careless)
    sys.argv[1:] = ["--reloads", "8", "--with", "database"]
    soak.main()
"""


def test_a_soak_of_a_careless_application_fails_and_says_what_grows():
    done = run("-c", textwrap.dedent(CARELESS))
    assert done.returncode == 1, done.stdout
    assert "9 generations were in memory\n" in done.stderr
    assert "\ngeneration 8 is kept alive by probe.kept[" in done.stderr


def test_the_application_has_twenty_user_modules(soak):
    import soak_shop

    files = soak_shop.files(soak_shop.INGREDIENTS)
    assert len([text for text in files.values() if "from ponyreload import *" in text]) == 20


GOOD = {"reloads": 200, "requests": 9, "failed": 0, "mixed": 0, "generations": 2, "threads": 9, "files": 9}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, []),
        ({"mebibytes": 105.0, "threads": 8, "files": 8}, []),
        ({"mebibytes": 105.1}, ["5.1% more memory after 2000 reloads than after 200"]),
        ({"failed": 1}, ["1 requests failed"]),
        ({"mixed": 1}, ["1 requests met two generations"]),
        ({"generations": 3}, ["3 generations were in memory"]),
        ({"threads": 10}, ["10 threads, after 9"]),
        ({"files": 10}, ["10 open files, after 9"]),
    ],
)
def test_each_bound_is_told_when_it_is_broken(soak, change, said):
    first = soak.Row(**GOOD, mebibytes=100.0)
    end = first._replace(reloads=2000)._replace(**change)
    assert soak.broken_bounds([first._replace(reloads=0, threads=1, mebibytes=1.0), first, end]) == said
