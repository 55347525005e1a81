"""A real browser: Debian's Chromium, without a window, driven by Playwright.

The fixtures are in `conftest`: `browser`, one for all tests of a file, and `profile`, a new one for each test.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip

# How long a page may take to become what a test waits for, in milliseconds; a busy machine needs it.
PATIENCE_MS = 30_000


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Start the browser; leaving the block ends it."""
    # Here: it takes a while, and most tests have no use for it.
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    if program is None:
        pytest.fail("chromium is missing: apt-get install --no-install-recommends chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS, timeout=PATIENCE_MS)
        try:
            yield browser
        finally:
            browser.close()
