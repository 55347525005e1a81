"""Programs that the tests put around an application: web servers and the like, which pip does not install."""

from __future__ import annotations

import os
import shutil

import pytest


def found(program: str, package: str) -> str:
    """The path of a program of a Debian package."""
    path = shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
    if path is None:
        missing(program, f"apt-get install --no-install-recommends {package}")
    return path or ""


def missing(what: str, command: str) -> None:
    """Tell how to get what is not there. A newcomer's run goes on without the test; that of CI fails."""
    text = f"{what} is missing: {command}"
    if os.environ.get("CI"):
        pytest.fail(text)
    pytest.skip(text)
