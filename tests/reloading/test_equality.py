"""Whatever is done to the files, the answers are those of a fresh interpreter (see machine.py)."""

from __future__ import annotations

import pytest

from projects import HERE

EXAMPLES = 120


@pytest.mark.parametrize("scope", ["all", "affected"])
def test_the_loader_equals_a_fresh_interpreter(project, scope):
    project({}).run(str(HERE / "machine.py"), str(EXAMPLES), scope, timeout=280, PYTHONWARNINGS="ignore")
