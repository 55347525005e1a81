"""Projects: folders with an application that a test makes, edits, and runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from live import Live
from project_files import ProjectFiles

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src"


class Project(ProjectFiles):
    """A folder with an application in it, which a test runs."""

    def environment(self, **more: str) -> dict[str, str]:
        """The environment that the project's processes get."""
        mine = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PONYRELOAD"))}
        # Warnings are errors in our own code; the servers' own are theirs.
        return {**mine, "PYTHONPATH": os.pathsep.join((str(SOURCE), str(HERE))), "PYTHONDEVMODE": "1"} | {
            "PYTHONWARNINGS": "default", "PYTHONFAULTHANDLER": "1", "PYTHONUNBUFFERED": "1", **more
        }  # fmt: skip

    def run(
        self, *command: str, timeout: float = 60, check: bool = True, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run ``python *command*`` in the project's folder to its end."""
        done = subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{command} ended with {done.returncode}\n{_written(done)}")
        return done

    def drive(self, code: str, timeout: float = 60, **more: str) -> Any:
        """Run *code* in a process that imports the application, as a server would; return what it passes to `tell`.

        The code has everything of `driving`: `request`, `project`, `tell` …
        """
        script = self.folder.parent / f"drive{next(self._numbers)}.py"
        script.write_text(f"from driving import *\n{textwrap.dedent(code)}", encoding="utf-8")
        path = os.pathsep.join((str(self.folder), str(SOURCE), str(HERE)))
        done = self.run(str(script), timeout=timeout, PYTHONPATH=path, **more)
        told = [line[5:] for line in done.stdout.splitlines() if line.startswith("TELL ")]
        if not told:
            raise AssertionError(f"nothing was told\n{_written(done)}")
        result = json.loads(told[-1])
        return {**result, "stderr": done.stderr} if isinstance(result, dict) else result

    def serve(self, *command: str, ready: str = "/", **more: str) -> Live:
        """Start ``python *command*``, a server that listens on the port in ``$PORT``; wait until *ready* answers."""
        return Live([sys.executable, *(command or ("app.py",))], self.folder, self.environment(**more), ready)


def _written(done: subprocess.CompletedProcess[str]) -> str:
    return f"--- stdout\n{done.stdout}\n--- stderr\n{done.stderr}"
