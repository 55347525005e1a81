"""Whatever is done to the files, the answers are those of a fresh interpreter (see machine.py)."""

from __future__ import annotations

import sys

import pytest

from projects import HERE

# Each Python has examples of its own, the same ones every time: CI runs all of them, and none twice.
SEED = sys.version_info.minor
EXAMPLES = 40


@pytest.mark.parametrize("scope", ["all", "affected"])
def test_the_loader_equals_a_fresh_interpreter(project, scope):
    arguments = (str(EXAMPLES), scope, str(SEED))
    project({}).run(str(HERE / "machine.py"), *arguments, timeout=280, PYTHONWARNINGS="ignore")
