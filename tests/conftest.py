"""Fixtures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from projects import Project


@pytest.fixture
def project(tmp_path: Path) -> Callable[[Mapping[str, str]], Project]:
    """Make a project of files: ``project({"shop/cart.py": "PRICE = 1"})``."""

    def make(files: Mapping[str, str]) -> Project:
        folder = tmp_path / "site"
        folder.mkdir()
        return Project(folder, files)

    return make
