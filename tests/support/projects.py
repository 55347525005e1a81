"""Projects: trees of files that a test makes, edits, and runs."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from live import Live

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src"

# Long before any test process starts: a file written after the start counts as changed since Python ran it.
LONG_AGO = 1_600_000_000


class Project:
    """A folder with an application in it."""

    def __init__(self, folder: Path, files: Mapping[str, str]) -> None:
        self.folder = folder
        self._numbers = itertools.count()
        for path, text in files.items():
            self.edit(path, text)
            os.utime(folder / path, (LONG_AGO, LONG_AGO))

    def __truediv__(self, path: str) -> Path:
        return self.folder / path

    def edit(self, path: str, text: str) -> None:
        """Save as most editors do: write a temporary file, and rename it."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f"{target.name}.{next(self._numbers)}.tmp")
        temporary.write_text(textwrap.dedent(text), encoding="utf-8")
        temporary.replace(target)

    def replace(self, path: str, old: str, new: str) -> None:
        """Save *path* with *old* replaced by *new*."""
        text = (self.folder / path).read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {path}"
        self.edit(path, text.replace(old, new))

    def write_in_place(self, path: str, text: str) -> None:
        """Save as other editors do: truncate the file, and write it."""
        (self.folder / path).write_text(textwrap.dedent(text), encoding="utf-8")

    def delete(self, path: str) -> None:
        """Delete a file or a folder."""
        target = self.folder / path
        shutil.rmtree(target) if target.is_dir() else target.unlink()

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
            pytest.fail(f"{command} ended with {done.returncode}\n--- stdout\n{done.stdout}\n--- stderr\n{done.stderr}")
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
            pytest.fail(f"nothing was told\n--- stdout\n{done.stdout}\n--- stderr\n{done.stderr}")
        result = json.loads(told[-1])
        return {**result, "stderr": done.stderr} if isinstance(result, dict) else result

    def serve(self, *command: str, ready: str = "/", **more: str) -> Live:
        """Start ``python *command*``, a server that listens on the port in ``$PORT``; wait until *ready* answers."""
        return Live([sys.executable, *(command or ("app.py",))], self.folder, self.environment(**more), ready)
