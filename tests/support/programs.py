"""Programs that the tests put around an application: web servers, a browser. pip does not install them."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def found(program: str, package: str) -> str:
    """The path of a program of a Debian package. Without it, the test that asks is left out, or fails in CI."""
    path = shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
    if path is None:
        missing(program, f"apt-get install --no-install-recommends {package}")
    return path


def missing(what: str, command: str) -> NoReturn:
    """Leave the test out, and say at the end of the run how to get what it needs; with ``CI`` set, fail it."""
    text = f"{what} is missing: {command}"
    if os.environ.get("CI"):
        pytest.fail(text)
    pytest.skip(text)
