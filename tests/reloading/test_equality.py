"""Whatever is done to the files, the answers are those of a fresh interpreter (see machine.py)."""

from __future__ import annotations

import pytest

from projects import HERE

# Each seed has the same examples every time, on every Python; the middle ones of these run those of the first.
SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.any_python) for seed in (2, 3))]
EXAMPLES = 40


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scope", ["all", "affected"])
def test_the_loader_equals_a_fresh_interpreter(project, scope, seed):
    arguments = (str(EXAMPLES), scope, str(seed))
    project({}).run(str(HERE / "machine.py"), *arguments, timeout=280, PYTHONWARNINGS="ignore")
