"""Live servers: a real process, asked through a real socket."""

from __future__ import annotations

import fcntl
import http.client
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

Self = TypeVar("Self", bound="Live")


class Answer(NamedTuple):
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")


class Live:
    """A server process that listens on a port of its own. A context manager: leaving the block ends it."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str], ready: str) -> None:
        self.port = free_port()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        # What several processes write is there whole, also of one that opens /dev/stderr.
        fcntl.fcntl(self._log, fcntl.F_SETFL, os.O_APPEND)
        try:
            self.process = self._start(command, folder, {**environment, "PORT": str(self.port)})
            self._wait_for_first_answer(ready)
        except BaseException:
            self._kill()
            self._log.close()
            raise

    def _wait_for_first_answer(self, ready: str) -> None:
        try:
            # A start takes long; each look at it is a connection, which takes time from it.
            self.wait_until(lambda: self._answers(ready), f"an answer at {ready}", 30, pause=0.02)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._abort()}") from None

    def _abort(self) -> str:
        """Have faulthandler tell where the threads are, and return the log with that."""
        self.process.send_signal(signal.SIGABRT)
        self.process.wait()
        return f"--- log\n{self.log}"

    def _start(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], **more: bool
    ) -> subprocess.Popen[bytes]:
        """Start a process that writes to the log."""
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            **more,
        )

    def _kill(self) -> None:
        """End the process without asking, if it was started."""
        if hasattr(self, "process"):
            self.process.kill()
            self.process.wait()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.process.poll() is None:
            self.stop()
        self._log.close()

    @property
    def pid(self) -> int:
        """The id of the process that serves the application."""
        return self.process.pid

    @property
    def log(self) -> str:
        """Everything that the process has written."""
        return os.pread(self._log.fileno(), 10_000_000, 0).decode("utf-8", "replace")

    def ask(
        self, path: str = "/", method: str = "GET", body: bytes | None = None, timeout: float = 20, **headers: str
    ) -> Answer:
        """Make one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def get(self, path: str = "/", **headers: str) -> str:
        """The text of the answer to a GET, which has to be a 200."""
        answer = self.ask(path, **headers)
        assert answer.status == 200, f"{path}: {answer.status}\n{answer.text}\n--- log\n{self.log}"
        return answer.text

    def open(self, path: str) -> http.client.HTTPResponse:
        """Start a GET, and return the response with its body unread; the caller closes it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        # The connection is the response's, and is closed with it.
        connection.request("GET", path, headers={"Connection": "close"})
        return connection.getresponse()

    def wait_for(self, path: str, expected: str, seconds: float = 10) -> None:
        """Ask *path* until its text is *expected*."""
        self.wait_until(lambda: self.ask(path).text == expected, f"{expected!r} at {path}", seconds)

    def wait_for_log(self, text: str, seconds: float = 10) -> None:
        """Wait until the process has written *text*."""
        self.wait_until(lambda: text in self.log, f"{text!r} in the log", seconds)

    def wait_until(
        self, condition: Callable[[], bool], what: str, seconds: float = 10, *, pause: float = 0.005
    ) -> None:
        """Wait until *condition* holds; fail with the log if it does not within *seconds*, or if the process ends."""
        deadline = time.monotonic() + seconds
        while not condition():
            self._check()
            if time.monotonic() > deadline:
                raise AssertionError(f"no {what} in {seconds} s\n--- log\n{self.log}")
            time.sleep(pause)  # between two looks at another process, which cannot tell us

    def _check(self) -> None:
        """Fail if the process has ended."""
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}\n--- log\n{self.log}")

    def stop(self, how: int = signal.SIGTERM, seconds: float = 15) -> int:
        """Send a signal when the server is idle, and return the exit status.

        A Ctrl-C that comes while cheroot hands a connection to a worker can leave it waiting for ever for that worker,
        with and without us.
        """
        self.wait_until(self._is_idle, "idle server")
        self.process.send_signal(how)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the server did not end in {seconds} s\n{self._abort()}") from None

    def _is_idle(self) -> bool:
        """Tell whether the main thread has stayed where it waits, for a moment."""
        before = self._switches()
        time.sleep(0.03)
        return self._switches() == before

    def _switches(self) -> str:
        """How often the main thread has stopped to wait, and was stopped."""
        status = Path(f"/proc/{self.pid}/task/{self.pid}/status").read_text()
        return status.partition("voluntary_ctxt_switches:")[2]

    def _answers(self, path: str) -> bool:
        try:
            self.ask(path)
        except OSError:
            return False
        return True


def free_port() -> int:
    """A port that nobody listens on now, and that the system gives to no connection: such a one could take it."""
    while True:
        port = random.SystemRandom().randrange(10_000, FIRST_OF_CONNECTIONS)  # not seeded as the tests are
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


# Where the system begins to take the ports of outgoing connections from.
FIRST_OF_CONNECTIONS = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
