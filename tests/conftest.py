"""Fixtures."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from projects import Project

# A shell has its background jobs ignore Ctrl-C, and all that these start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def project(tmp_path: Path) -> Callable[[Mapping[str, str]], Project]:
    """Make a project of files: ``project({"shop/cart.py": "PRICE = 1"})``."""

    def make(files: Mapping[str, str]) -> Project:
        folder = tmp_path / "site"
        folder.mkdir()
        return Project(folder, files)

    return make
