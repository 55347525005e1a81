"""The oracle: tells what a fresh interpreter makes of a project. It forks for each question, so that each is fresh."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from typing import Any


class Oracle:
    """Asks a process that has imported nothing of the project. A context manager."""

    def __enter__(self) -> Oracle:
        environment = {**os.environ, "PONYRELOAD": "off", "PYTHONDONTWRITEBYTECODE": "1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def ask(self, folder: str) -> Any:
        """Return ``["value", answer]`` or ``["error", name of the exception]`` for ``app.answer()`` in *folder*."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(folder + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def answer_in(folder: str) -> list[object]:
    """Import ``app`` in *folder*, and ask it."""
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        return ["value", importlib.import_module("app").answer()]
    except BaseException as error:
        return ["error", type(error).__name__]


if __name__ == "__main__":
    import ponyreload

    ponyreload.AutoreloadMiddleware(print)  # off here; so each child has imported all that an application needs of it
    for line in sys.stdin:
        if os.fork() == 0:
            sys.stdout.write(json.dumps(answer_in(line.rstrip("\n"))) + "\n")
            sys.stdout.flush()
            os._exit(0)
        os.wait()
