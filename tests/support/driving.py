"""What a driver script has at hand: it plays the server in the process of the application under test."""

from __future__ import annotations

import gc
import io
import json
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import ponyreload
from ponyreload.generations import generation as generations
from project_files import ProjectFiles

__all__ = [
    "Path", "begun_loads", "finish", "gc", "in_thread", "living_generations", "os", "ponyreload", "project", "request", "saving",
    "start", "sys", "tell", "threading", "time", "until", "weakref",
]  # fmt: skip

project = ProjectFiles(Path.cwd(), {})


def tell(**facts: object) -> None:
    """Hand facts to the test."""
    print("TELL " + json.dumps(facts), flush=True)


def start(app: Any, path: str = "/", method: str = "GET", **environ: object) -> Iterable[bytes]:
    """Call a WSGI application as a server does; return its body, unread. The answer's status goes to `start.status`."""
    full = {
        "REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "", "SERVER_NAME": "test",
        "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.version": (1, 0), "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr, "wsgi.multithread": True, "wsgi.multiprocess": False,
        "wsgi.run_once": False, **environ,
    }  # fmt: skip

    def start_response(
        status: str, headers: list[tuple[str, str]], exc_info: object = None
    ) -> Callable[[bytes], object]:
        start.status = status  # type: ignore[attr-defined]
        return lambda data: None

    body: Iterable[bytes] = app(full, start_response)
    return body


def finish(body: Iterable[bytes]) -> str:
    """Read and close a body as a server does; return its text."""
    try:
        return b"".join(body).decode()
    finally:
        getattr(body, "close", lambda: None)()


def request(app: Any, path: str = "/", **environ: object) -> str:
    """Make one whole request; return the text of the answer."""
    return finish(start(app, path, **environ))


def until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait until *condition* holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{condition} did not come true")
        time.sleep(0.002)


def in_thread(function: Callable[[], object]) -> Callable[[], Any]:
    """Run *function* in a thread; return what waits for its result, or raises what it raised."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append((function(), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=run)
    thread.start()

    def result() -> Any:
        thread.join(20)
        assert outcome, "the thread did not end"
        value, error = outcome[0]
        if error is not None:
            raise error
        return value

    return result


def begun_loads(reloader: Any) -> list[Any]:
    """A list to which each load is added as it begins: its generation's number."""
    begun: list[Any] = []

    class Listener:
        def load_began(self, load: Any) -> None:
            begun.append(load.generation.number)

        def load_ended(self, record: object) -> None:
            pass

        def error_is_over(self, number: int) -> None:
            pass

    reloader.application.journal.listen(Listener())
    return begun


def saving(reloader: Any) -> Callable[[str, str], int | str]:
    """Return a function that saves a file, and returns how its load ended: the number that serves, or the error."""
    ended: list[int | str] = []

    class Listener:
        def load_began(self, load: object) -> None:
            pass

        def load_ended(self, record: Any) -> None:
            ended.append(record.number if record.error is None else record.error.summary)

        def error_is_over(self, number: int) -> None:
            pass

    def save(path: str, text: str) -> int | str:
        before = len(ended)
        project.edit(path, text)
        until(lambda: len(ended) > before)
        return ended[-1]

    reloader.application.journal.listen(Listener())
    return save


def living_generations() -> list[int]:
    """The numbers of the generations that are in memory after a collection."""
    gc.collect()
    return sorted(each.number for each in gc.get_objects() if type(each) is generations.Generation)
