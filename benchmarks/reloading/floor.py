"""The floor: what no reload of all user modules can be faster than. Nothing is served, kept or checked.

An event arrives from the kernel; the changed file is read, hashed and compiled; the code objects of all user modules,
kept from before, are executed. `floor_program.py` does it.
"""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.reloading.application import EDITED, Editor, Scenario, write_application
from benchmarks.reloading.measuring import Row, quantile

__all__ = ["measure_floor"]

PROGRAM = Path(__file__).with_name("floor_program.py").resolve()
STAGES = ("event", "hash", "compile", "execute")


def measure_floor(scenario: Scenario, python: str, edits: int) -> Row:
    """Measure the floor of one scenario."""
    row: Row = {"contender": "floor", "kind": "floor", "scenario": scenario.name, "state": "measured"}
    chance = random.Random(7)
    with tempfile.TemporaryDirectory(prefix="reloading-") as name:
        folder = Path(name)
        write_application(folder, scenario)
        editor = Editor(folder)
        program = subprocess.Popen([python, str(PROGRAM), EDITED], cwd=folder, stdout=subprocess.PIPE, text=True)
        assert program.stdout is not None
        try:
            stages = []
            if program.stdout.readline() != "ready\n":
                row["state"] = "does not start"
                return row
            for number in range(edits):
                time.sleep(chance.uniform(0.05, 0.15))
                editor.edit(number % 2 == 0)
                moments = [editor.saved_at, *json.loads(program.stdout.readline())]
                stages.append([1000 * (after - before) for before, after in itertools.pairwise(moments)])
        finally:
            program.kill()
            program.wait()
    times = [sum(each) for each in stages]
    row["edits"], row["edits_ms"], row["missed"] = edits, times, 0
    row["p50_ms"], row["p95_ms"], row["max_ms"] = quantile(times, 0.5), quantile(times, 0.95), max(times)
    row["stages_ms"] = {stage: quantile([each[n] for each in stages], 0.5) for n, stage in enumerate(STAGES)}
    return row
