"""Fixtures."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from browsers import PATIENCE_MS, running_browser
from projects import Project

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

# Costly fixtures that all tests of a file share.
SHARED = {"answers", "browser", "short_run"}

# A shell has its background jobs ignore Ctrl-C, `nohup` the end of the terminal, and so do all that these start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Say for ``-n auto`` how many tests run at a time. Most of the time they wait, so two share a core."""
    return min(2 * len(os.sched_getaffinity(0)), 16)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let several runs share the tests that one of them has to run."""
    parser.addoption("--any-python", metavar="PART/PARTS", help="of the tests marked any_python, run this part only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is for other runs; have one process run the tests that share a costly fixture, made once."""
    if config.option.any_python:
        part, parts = map(int, config.option.any_python.split("/"))
        # Each run has them in another order. Neighbours go to different runs, so that each run has rows of every table.
        shared = sorted((item for item in items if item.get_closest_marker("any_python")), key=lambda item: item.nodeid)
        others = set(shared) - set(shared[part - 1 :: parts])
        config.hook.pytest_deselected(items=[*others])
        items[:] = [item for item in items if item not in others]
    for item in items:
        if SHARED & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which tests were left out because a program is missing, and how to get it."""
    # Nothing else is skipped:  "nginx is missing: apt-get install ..." -> 12
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in terminalreporter.getreports("skipped"))
    if reasons:
        terminalreporter.section("left out")
        for reason, number in sorted(reasons.items()):
            terminalreporter.line(f"{number} tests: {reason}")


@pytest.fixture
def project(tmp_path: Path) -> Callable[[Mapping[str, str]], Project]:
    """Make a project of files: ``project({"shop/cart.py": "PRICE = 1"})``."""

    def make(files: Mapping[str, str]) -> Project:
        folder = tmp_path / "site"
        folder.mkdir()
        return Project(folder, files)

    return make


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for the tests of one file: while it runs, the thread has an event loop that others would meet."""
    with running_browser() as browser:
        yield browser


@pytest.fixture
def profile(browser: Browser) -> Iterator[BrowserContext]:
    """A profile of the browser: its pages share what they store, and nothing else does."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    yield context
    context.close()
