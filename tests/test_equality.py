"""Whatever is done to the files, the answers are those of a fresh interpreter (see machine.py)."""

from __future__ import annotations

from projects import HERE

EXAMPLES = 120


def test_the_loader_equals_a_fresh_interpreter(project):
    project({}).run(str(HERE / "machine.py"), str(EXAMPLES), timeout=200, PYTHONWARNINGS="ignore")
