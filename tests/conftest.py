"""Fixtures."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from browsers import PATIENCE_MS, running_browser
from projects import Project

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

# A shell has its background jobs ignore Ctrl-C, `nohup` the end of the terminal, and so do all that these start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


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
