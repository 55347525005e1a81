"""Serving: one contender's processes. What starts here ends here, whatever it has done to its process group."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from benchmarks.reloading.application import Editor, Scenario, write_application
from benchmarks.reloading.clients import ask
from benchmarks.reloading.contenders import Contender

__all__ = ["Gone", "Serving", "free_port", "versions_of"]

SOURCE = Path(__file__).parents[2] / "src"
# In the environment of all that we start: what leaves its process group is found all the same.
MARK = "PONYRELOAD_BENCHMARK"


class Gone(Exception):  # noqa: N818 - a word for a row of the table
    """A contender does not start, or has ended, or answers no more; the message says it."""


class Serving:
    """A contender that serves a scenario's application. A context manager: leaving the block ends all its processes."""

    def __init__(self, contender: Contender, scenario: Scenario, python: str, reloads: bool, patience: float) -> None:
        self._contender = contender
        self._reloads = reloads
        self._python = python
        self._patience = patience
        self._mark = uuid.uuid4().hex
        self._folder = tempfile.TemporaryDirectory(prefix="reloading-")
        self.folder = Path(self._folder.name)
        self.port = free_port()
        self.start_seconds = 0.0
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed at the end
        write_application(self.folder, scenario)
        for path, text in contender.files.items():
            (self.folder / path).write_text(text, encoding="utf-8")
        self.editor = Editor(self.folder)

    def __enter__(self) -> Serving:
        try:
            self._start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def _start(self) -> None:
        more = self._contender.on if self._reloads else self._contender.off
        arguments = [each.format(port=self.port) for each in (*self._contender.command, *more)]
        started = time.monotonic()
        self._process = subprocess.Popen(
            [self._python, *arguments],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        while not ask(self.port, "/").is_good:
            self.check()
            if time.monotonic() - started > self._patience:
                raise Gone(f"no answer in {self._patience:g} s: {self.last_words()}")
            time.sleep(0.01)
        self.start_seconds = time.monotonic() - started

    def _environment(self) -> dict[str, str]:
        mine = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PONYRELOAD"))}
        # No more than each needs: some watch all that is on the path.
        path = [str(self.folder), str(SOURCE)] if "ponyreload" in self._contender.requires else [str(self.folder)]
        mine |= {"PYTHONPATH": os.pathsep.join(path), "PORT": str(self.port), MARK: self._mark}
        mine["RELOAD"] = str(int(self._reloads))
        return mine if self._reloads else mine | {"PONYRELOAD": "off"}

    def check(self) -> None:
        """Raise, if the first process has ended."""
        if self._process.poll() is not None:
            raise Gone(f"ended with status {self._process.returncode}: {self.last_words()}")

    @property
    def log(self) -> str:
        """What the processes have written."""
        return os.pread(self._log.fileno(), 10_000_000, 0).decode("utf-8", "replace")

    def last_words(self) -> str:
        """The last line that was written."""
        lines = self.log.strip().splitlines()
        # Folders say nothing to others: "/home/me/site/shop/wsgi.py" is "wsgi.py".
        return re.sub(r"(?<![\w.])/\S*/", "", lines[-1]).strip()[:200] if lines else "without a word"

    @property
    def processes(self) -> list[int]:
        """The ids of all living processes that descend from the first one."""
        mark = f"{MARK}={self._mark}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except OSError:
                pass  # ended, or another user's
        return found

    def memory_mib(self) -> float:
        """The memory of all processes; what several share counts once."""
        kib = 0
        for process in self.processes:
            try:
                text = Path(f"/proc/{process}/smaps_rollup").read_text()
            except OSError:
                continue
            kib += int(text.partition("\nPss:")[2].split()[0])
        return kib / 1024

    def end(self) -> None:
        """End all processes without asking. Safe to call twice."""
        if hasattr(self, "_process"):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            deadline = time.monotonic() + 10
            while (left := self.processes) and time.monotonic() < deadline:
                for process in left:
                    with suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)
                time.sleep(0.01)
            self._process.kill()
            self._process.wait()
        self._log.close()
        self._folder.cleanup()


def free_port() -> int:
    """Return a port that nobody listens on, and that the system gives to no connection."""
    first_of_connections = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(10_000, first_of_connections)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def versions_of(contender: Contender, python: str) -> dict[str, str | None]:
    """Return the versions of what a contender needs, and of Python; None for what is not installed."""
    code = f"""
import importlib.metadata, json, platform
found = {{"python": platform.python_version()}}
for name in {contender.requires!r}:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        found[name] = None
print(json.dumps(found))
"""
    told = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    versions: dict[str, str | None] = json.loads(told.stdout)
    if "ponyreload" in versions:
        versions["ponyreload"] = "this checkout"
    return versions
