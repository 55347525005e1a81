"""Running: the test files of a suite in one mode, in processes of their own; an outcome for each test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

__all__ = ["Job", "Outcome", "run", "time_of_import"]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


class Job(NamedTuple):
    """What is run.

    Attributes:
        library: The package that is tested by pytest; None for modules of the interpreter's own suite.
        files: The test files in order, relative to *folder*; or the names of modules.
        folder: Where pytest is started, and what the test files lie below.
        path: A folder to import the library from; empty if it is installed.
        arguments: What pytest gets besides.
        seconds: A process that takes longer than this is killed.
    """

    library: str | None
    files: tuple[str, ...]
    folder: Path | None
    path: str = ""
    arguments: tuple[str, ...] = ()
    seconds: float = 900


class Outcome(NamedTuple):
    """How a test ended: "passed", "failed", "skipped"; or "begun", if the process has not survived it."""

    word: str
    text: str

    @property
    def is_bad(self) -> bool:
        return self.word in ("failed", "begun")


def run(job: Job, mode: str) -> dict[str, Outcome]:
    """Run all files of *job*; return the outcome of each test.

    A process that ends in the middle of a file is followed by one that goes on with the next file.
    """
    outcomes: dict[str, Outcome] = {}
    files: Sequence[str] = job.files
    while files:
        found = _run_once(job._replace(files=tuple(files)), mode)
        outcomes |= found
        # A file that has ended has passed, as all of its tests have an outcome of their own.
        begun = [index for index, file in enumerate(files) if file in found]
        files = files[(begun[-1] + 1 if begun else len(files)) :]
    return outcomes


def time_of_import(job: Job, mode: str) -> float:
    """Return how many seconds the import of the library takes: the least of three processes."""
    job = job._replace(files=())
    return min(float(_run_once(job, mode)["import"].text) for _ in range(3))


def _run_once(job: Job, mode: str) -> dict[str, Outcome]:
    """Run one process; return what it has written down, with what it has said where it has not come to an end."""
    with tempfile.TemporaryDirectory(prefix="conformance") as folder:
        results = Path(folder) / "results"
        results.touch()
        work = Path(folder) / "work"
        work.mkdir()
        task = job._asdict() | {"mode": mode, "results": str(results), "folder": str(job.folder)}
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (job.path, str(ROOT / "src"))))}
        with open(Path(folder) / "said", "wb") as said_file:
            process = subprocess.Popen(
                [sys.executable, "-X", "faulthandler", str(HERE / "inside.py"), json.dumps(task)],
                cwd=job.folder or work,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said_file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            with suppress(subprocess.TimeoutExpired):
                process.wait(job.seconds)
        finally:
            # What its tests have started goes too.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        said = (Path(folder) / "said").read_text(encoding="utf-8", errors="replace")
        lines = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
    outcomes = {line["test"]: Outcome(line["outcome"], line["text"]) for line in lines}
    if not outcomes:
        outcomes["import"] = Outcome("begun", "")
    return {
        test: Outcome("begun", f"the process ended with {process.returncode}:\n{said[-4000:]}")
        if outcome.word == "begun"
        else outcome
        for test, outcome in outcomes.items()
    }
