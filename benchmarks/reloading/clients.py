"""Clients: ask the application over connections of their own, one for each request, and note when and what.

    python -m benchmarks.reloading.clients 8080

asks from four threads until its input ends, then prints what it has seen. It is a process of its own, so that the
one that edits and waits is not held up by it.
"""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

__all__ = ["Answer", "Clients", "Seen", "ask"]

CLIENTS = 4
# A client's pause between two requests: without one, they would measure who gets the processor.
PAUSE_SECONDS = 0.005
SECONDS = 20.0  # that an answer may take


class Answer(NamedTuple):
    """What came of one request.

    Sample row: ``Answer(1000.2, 1000.21, "", b"1000007 1000007 1000007 1000007 1000007")``.
    """

    began: float  # on the monotonic clock
    ended: float
    trouble: str  # "", "refused" or "failed"
    body: bytes

    @property
    def is_good(self) -> bool:
        return not self.trouble


def ask(port: int, path: str, seconds: float = SECONDS) -> Answer:
    """Make one request on a connection of its own."""
    began = time.monotonic()
    data = b""
    trouble = ""
    try:
        with socket.create_connection(("127.0.0.1", port), seconds) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
            while part := connection.recv(65536):
                data += part
    except ConnectionRefusedError:
        trouble = "refused"
    except OSError:
        trouble = "failed"
    head, _, body = data.partition(b"\r\n\r\n")
    if not trouble and (b" 200 " not in head[:20] or not body):
        trouble = "failed"
    return Answer(began, time.monotonic(), trouble, body)


class Seen(NamedTuple):
    """One answer, as a client tells of it.

    Sample row: ``Seen(1000.2, 1000.23, "", ["1000007", "1000007", "1000006"])``.
    """

    began: float
    ended: float
    trouble: str
    words: list[str]

    @property
    def is_mixed(self) -> bool:
        """Whether functions of two versions took part in it."""
        return len(set(self.words[:-1])) > 1

    @property
    def is_stale(self) -> bool:
        """Whether what a module made at import is of another version than the functions are."""
        return not self.is_mixed and len(set(self.words)) > 1


class Clients:
    """Four clients that ask by turns for a page that is quick and one that takes 20 ms. A context manager."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.seen: list[Seen] = []

    def __enter__(self) -> Clients:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.reloading.clients", str(self._port)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()  # it begins
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            told, _ = self._process.communicate("", timeout=2 * SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
        self.seen = [Seen(*row) for row in json.loads(told)]


def main(port: int) -> None:
    """Ask until the input ends; print what was seen."""
    ends = threading.Event()
    rows: list[tuple[float, float, str, list[str]]] = []

    def client(number: int) -> None:
        for path in itertools.islice(itertools.cycle(("/", "/slow")), number, None):
            if ends.wait(PAUSE_SECONDS):
                return
            answer = ask(port, path)
            rows.append((answer.began, answer.ended, answer.trouble, answer.body.decode("latin-1").split()))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    print("asking", flush=True)
    sys.stdin.read()
    ends.set()
    for thread in threads:
        thread.join()
    rows.sort(key=lambda row: row[1])
    print(json.dumps(rows))


if __name__ == "__main__":
    main(int(sys.argv[1]))
