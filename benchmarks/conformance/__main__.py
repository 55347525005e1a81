"""Runs other people's test suites without and with autoreload, and prints what fails only with it.

    python -m benchmarks.conformance
    python -m benchmarks.conformance --quick
    python -m benchmarks.conformance --suites flask,test_pickle --modes user --show

`make conformance` does the first, in an environment of its own. Each suite is run three times: with autoreload off; on,
with the library a system module; and on, with the library a user module. There is a reload before each test file. Of
CPython's own suite, the test module itself is the user module. A new failure has to be on the list in expected.txt, and
what is on the list has to fail.
"""

from __future__ import annotations

import argparse
import importlib.util
import platform
import sys
import time
from typing import Any

from benchmarks.conformance import expected
from benchmarks.conformance.fetching import fetch
from benchmarks.conformance.running import Job, Outcome, run, time_of_import
from benchmarks.conformance.suites import CPYTHON, CPYTHON_QUICK, MODES, SUITES


def main() -> None:
    every = (*SUITES, *CPYTHON)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suites", type=_names(every), default=every, metavar="A,B", help=f"of {','.join(every)}")
    parser.add_argument("--modes", type=_names(MODES[1:]), default=MODES[1:], metavar="A,B", help="of system,user")
    parser.add_argument("--quick", action="store_true", help="three minutes of it")
    parser.add_argument("--show", action="store_true", help="say how each unexpected failure came about")
    options = parser.parse_args()
    rows = expected.read(expected.LIST.read_text(encoding="utf-8"))
    jobs = {name: job for name in options.suites for job in _jobs(name, options.quick)}
    print(f"CPython {platform.python_version()}\n")
    print("| suite | autoreload | tests | fail | newly | and are on the list | import | seconds |")
    print("|---|---|---:|---:|---:|---:|---:|---:|", flush=True)
    wrong: list[str] = []
    for name, job in jobs.items():
        wrong += _measure(name, job, options, rows)
    print()
    print("\n".join(wrong) or "What fails newly is on the list, and what is on the list fails.")
    sys.exit(bool(wrong))


def _names(known: tuple[str, ...]) -> Any:
    def names(text: str) -> tuple[str, ...]:
        wrong = [name for name in text.split(",") if name not in known]
        if wrong:
            raise argparse.ArgumentTypeError(f"{', '.join(wrong)}: there are {', '.join(known)}")
        return tuple(text.split(","))

    return names


def _jobs(name: str, is_quick: bool) -> list[Job]:
    """Return what is run for a suite: nothing where the interpreter lacks it, or the quick part leaves it out."""
    if name not in SUITES:
        left_out = is_quick and name not in CPYTHON_QUICK
        is_there = not left_out and importlib.util.find_spec(f"test.{name}") is not None
        return [Job(None, (f"test.{name}",), None)] if is_there else []
    suite = SUITES[name]
    if is_quick and suite.quick == ():
        return []
    folder = fetch(name, suite)
    found = sorted({path for pattern in suite.tests for path in folder.glob(pattern)})
    if is_quick and suite.quick is not None:
        found = [path for path in found if path.name in suite.quick]
    assert found, f"{name} has no tests in {folder}"
    path = "" if suite.source is None else str(folder / suite.source)
    return [Job(suite.library, tuple(str(path.relative_to(folder)) for path in found), folder, path, suite.arguments)]


def _measure(name: str, job: Job, options: Any, rows: list[expected.Expected]) -> list[str]:
    """Run a suite in each mode, print its lines of the table, and return what is wrong."""
    started = time.monotonic()
    plain = run(job, "off")
    _print(name, "off", plain, "", "", _import(job, "off"), started)
    wrong = []
    for mode in options.modes:
        started = time.monotonic()
        mine = [row for row in rows if row.is_for(name, mode)]
        outcomes = run(job, mode)
        failures = new_failures(plain, outcomes)
        unlisted, stale = expected.compare(failures, mine, plain)
        if unlisted or stale:
            # Once more: what comes and goes on a busy machine is no difference that autoreload makes.
            again = run(job, mode)
            more_unlisted, more_stale = expected.compare(new_failures(plain, again), mine, plain)
            unlisted = [test for test in unlisted if test in more_unlisted]
            stale = [row for row in stale if row in more_stale]
        listed = sum(any(row.names(test) for row in mine) for test in failures)
        _print(name, mode, outcomes, len(unlisted), listed, _import(job, mode), started)
        for test in unlisted:
            wrong.append(f"{name}, {mode}: {test} fails, and is not on the list")
            if options.show:
                wrong.append(outcomes[test].text if test in outcomes else "it was not run")
        wrong += [f"{name}, {mode}: {row.test} is on the list, and does not fail" for row in stale]
    return wrong


def new_failures(plain: dict[str, Outcome], outcomes: dict[str, Outcome]) -> list[str]:
    """Return the tests that fail, are not run, or are skipped, and were not without autoreload."""
    ran = {test for test, outcome in plain.items() if outcome.word == "passed"}
    lost = [test for test in ran if test not in outcomes or outcomes[test].word != "passed"]
    more = [test for test, outcome in outcomes.items() if outcome.is_bad and test not in plain]
    return sorted({*lost, *more})


def _import(job: Job, mode: str) -> str:
    return "" if job.library is None else f"{1000 * time_of_import(job, mode):.0f} ms"


def _print(
    name: str, mode: str, outcomes: dict[str, Outcome], new: object, listed: object, imports: str, started: float
) -> None:
    bad = sum(outcome.is_bad for outcome in outcomes.values())
    seconds = f"{time.monotonic() - started:.0f}"
    print(f"| {' | '.join(map(str, (name, mode, len(outcomes), bad, new, listed, imports, seconds)))} |", flush=True)


if __name__ == "__main__":
    main()
