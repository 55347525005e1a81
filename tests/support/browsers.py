"""A real browser: Chromium without a window, driven by Playwright.

The fixtures are in `conftest`: `browser`, one for all tests of a file, and `profile`, a new one for each test.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from programs import missing

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# The names that systems give to it.
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
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

    with sync_playwright() as playwright:
        program = browser_program(playwright.chromium.executable_path)
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS, timeout=PATIENCE_MS)
        try:
            yield browser
        finally:
            browser.close()


def browser_program(downloaded: str) -> str:
    """The path of a Chromium: the one that Playwright downloads, if it has done so, or the system's."""
    if os.path.exists(downloaded):
        return downloaded
    advice = f"{os.path.relpath(Path(sys.executable).with_name('playwright'))} install chromium"
    return next(filter(starts, filter(None, map(shutil.which, NAMES))), None) or missing(
        "Chromium", f"{advice}, or apt-get install --no-install-recommends chromium"
    )


def starts(program: str) -> bool:
    """Tell whether a program starts: Ubuntu has a script of this name that only says how to install it."""
    return subprocess.run([program, "--version"], capture_output=True, check=False).returncode == 0
