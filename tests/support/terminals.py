"""Terminals: what the command line shows on one, as the lines of a screen."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from projects import Project


class Screen:
    """What a terminal shows of what was written to it: lines of text, without their colours."""

    def __init__(self, written: str) -> None:
        self._lines = [""]
        self._column = 0
        for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|.", written, re.DOTALL):
            if part == "\n":
                self._lines.append("")
            elif part == "\r":
                self._column = 0
            elif part == "\x1b[K":
                self._lines[-1] = self._lines[-1][: self._column]
            elif part.startswith("\x1b"):
                assert part.endswith("m") or part in ("\x1b[?25l", "\x1b[?25h"), f"{part!r} is not known here"
            else:
                line = self._lines[-1].ljust(self._column)
                self._lines[-1] = line[: self._column] + part + line[self._column + 1 :]
                self._column += 1

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self._lines]


class OnTerminal:
    """A process on a terminal of its own. A context manager: leaving the block ends it."""

    def __init__(self, project: Project, *arguments: str, columns: int = 100, **more: str) -> None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        environment = {**project.environment(TERM="xterm-256color", LANG="C.UTF-8", LC_ALL="C.UTF-8"), **more}
        environment = {
            name: value for name, value in environment.items() if name not in NOT_FOR_TERMINALS or name in more
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ponyreload", *arguments],
            cwd=project.folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self._terminal = ours
        self._written = b""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError):  # the other end is closed
            while part := os.read(self._terminal, 65536):
                self._written += part

    def __enter__(self) -> OnTerminal:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        os.close(self._terminal)

    @property
    def written(self) -> str:
        """All that was written, with what a terminal obeys."""
        return self._written.decode("utf-8", "replace")

    @property
    def lines(self) -> list[str]:
        """What the screen shows."""
        return Screen(self.written).lines

    def wait_until(self, condition: Callable[[], bool], what: str, seconds: float = 20) -> None:
        """Wait until *condition* holds; fail with the screen if it does not."""
        deadline = time.monotonic() + seconds
        while not condition():
            shown = "\n".join(self.lines)
            assert self.process.poll() is None, f"it ended with {self.process.returncode}\n--- screen\n{shown}"
            assert time.monotonic() < deadline, f"no {what} in {seconds} s\n--- screen\n{shown}"
            time.sleep(0.005)  # between two looks at what another process writes

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until a line matches *pattern*, and return that."""
        found: list[re.Match[str]] = []

        def is_there() -> bool:
            found[:] = [match for line in self.lines if (match := re.search(pattern, line))]
            return bool(found)

        self.wait_until(is_there, f"line like {pattern!r}")
        return found[-1]

    def interrupt(self) -> int:
        """Send Ctrl-C, and return the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(15)


# What the tests' own surroundings may say of terminals.
NOT_FOR_TERMINALS = {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "CLICOLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE"}
