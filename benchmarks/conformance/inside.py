"""Runs test files in a process of its own, in one mode, and writes down what comes of each test.

The runner starts it as a script:

    python inside.py '{"mode": "user", "library": "flask", "files": ["tests/test_cli.py"], "results": "out", …}'

It is a system module, and turns autoreload on before anything of the library is imported. Before each file there is a
reload. Without pytest, the file is a module of CPython's own suite, such as "test.test_pickle".
"""

USE_AUTORELOAD = False

import importlib  # noqa: E402 - the constant has to be first
import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
import traceback  # noqa: E402
import unittest  # noqa: E402


class Results:
    """A file with a line for each step, written at once: what a process that crashes has been doing is there."""

    def __init__(self, path):
        self._file = open(path, "a", buffering=1, encoding="utf-8")  # noqa: SIM115 - open until the process ends

    def note(self, test, outcome, text=""):
        """Note that *test* has "begun", "passed", "failed" or was "skipped". The last word counts."""
        self._file.write(json.dumps({"test": test, "outcome": outcome, "text": text[-4000:]}) + "\n")


class PytestNotes:
    """A plugin for pytest."""

    def __init__(self, results):
        self._results = results
        self._outcome = {}

    def pytest_collectreport(self, report):
        if report.failed:
            self._results.note(f"{report.nodeid} (its import)", "failed", str(report.longrepr))

    def pytest_runtest_logstart(self, nodeid):
        self._results.note(nodeid, "begun")

    def pytest_runtest_logreport(self, report):
        # The first of set-up, call and teardown that fails counts; or else, one that is skipped.
        before = self._outcome.get(report.nodeid, ("passed", ""))
        if before[0] != "failed" and not report.passed:
            before = (report.outcome, str(report.longrepr))
        self._outcome[report.nodeid] = before
        if report.when == "teardown":
            self._results.note(report.nodeid, *before)


class UnittestNotes(unittest.TestResult):
    """What `unittest` reports to."""

    def __init__(self, results):
        super().__init__()
        self._results = results
        self._outcome = {}

    def startTest(self, test):  # noqa: N802
        super().startTest(test)
        self._results.note(test.id(), "begun")

    def stopTest(self, test):  # noqa: N802
        super().stopTest(test)
        self._results.note(test.id(), *self._outcome.get(test.id(), ("passed", "")))

    def _fail(self, test, error):
        text = "".join(traceback.format_exception(*error))
        self._outcome[test.id()] = ("failed", text)
        self._results.note(test.id(), "failed", text)  # `setUpClass` and the like are not begun

    def addError(self, test, err):  # noqa: N802
        self._fail(test, err)

    def addFailure(self, test, err):  # noqa: N802
        self._fail(test, err)

    def addSubTest(self, test, subtest, err):  # noqa: ARG002, N802
        if err is not None:
            self._fail(test, err)

    def addUnexpectedSuccess(self, test):  # noqa: N802
        self._outcome[test.id()] = ("failed", "unexpected success")

    def addSkip(self, test, reason):  # noqa: N802
        self._outcome.setdefault(test.id(), ("skipped", reason))


def turn_on(mode, include):
    """Return the reloader of a mode; None if it is "off"."""
    if mode == "off":
        return None
    from ponyreload import use_autoreload

    reloader = use_autoreload(include=include if mode == "user" else [])
    assert reloader is not None
    importlib.import_module("passenger")
    return reloader


def forget(job, before):
    """Have the next file import its helpers again, as if pytest had been started for it alone."""
    for name, module in list(sys.modules.items()):
        is_helper = name not in before and name.partition(".")[0] != job["library"]
        if is_helper and str(getattr(module, "__file__", None)).startswith(os.path.join(job["folder"], "")):
            sys.modules.pop(name, None)


def run_pytest(file, job, results):
    import pytest

    arguments = [file, "-q", "--no-header", "--timeout=60", "-p", "no:cacheprovider", "-p", "no:randomly"]
    pytest.main([*arguments, *job["arguments"]], plugins=[PytestNotes(results)])


def run_unittest(name, results):
    from test import support

    support.use_resources = []  # nothing that takes a network, a sound card or gigabytes
    loader = unittest.defaultTestLoader
    loader.errors.clear()
    suite = loader.loadTestsFromModule(importlib.import_module(name))
    for error in loader.errors:
        results.note(f"{name} (its import)", "failed", error)
    suite.run(UnittestNotes(results))


def main():
    job = json.loads(sys.argv[1])
    del sys.argv[1:]
    results = Results(job["results"])
    is_pytest = job["library"] is not None
    include = [job["library"]] if is_pytest else job["files"]
    reloader = turn_on(job["mode"], include)
    started = time.perf_counter()
    for name in include:
        importlib.import_module(name)
    results.note("import", "passed", str(time.perf_counter() - started))
    before = set(sys.modules)
    for file in job["files"]:
        results.note(file, "begun")
        if reloader is not None:
            reloader.reload()
        if is_pytest:
            run_pytest(file, job, results)
            forget(job, before)
        else:
            run_unittest(file, results)
        results.note(file, "passed")
    # What the tests have left running is nobody's business any more.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
