"""The spinner: on the last line of the terminal, while a load takes long and nobody else writes there."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TextIO

__all__ = ["Spinner"]

# A load that is over sooner needs none.
DELAY_SECONDS = 0.5
STEP_SECONDS = 0.1
FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
PLAIN_FRAMES = "|/-\\"
ERASE = "\r\x1b[K"


class Spinner:
    """Draws a line that says what is being done.

    Who writes to stdout or stderr by Python meanwhile, also through a handler that has had the stream for long, has
    the line taken away first. What is written past Python begins at the line's beginning, as the cursor is left there.

    Threads: ``_lock`` is held by who writes.
    """

    def __init__(self, stream: TextIO, is_dim: bool) -> None:
        self._stream = stream
        self._style = ("\x1b[2m", "\x1b[0m") if is_dim else ("", "")
        encoding = (stream.encoding or "").lower().replace("-", "")
        self._frames = FRAMES if encoding.startswith("utf") else PLAIN_FRAMES
        self._lock = threading.RLock()
        self._is_drawn = False
        # Whether the last line is empty: the application may have written the beginning of one.
        self._is_free = True
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, words: Callable[[], str]) -> None:
        """Begin to spin in a while, unless `stop` comes first; with *words* as they are then."""
        self.stop()
        self._ended = ended = threading.Event()
        self._is_free = True
        self._thread = threading.Thread(target=self._spin, args=(ended, words), name="ponyreload spinner", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it, and take the line away."""
        self._ended.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _spin(self, ended: threading.Event, words: Callable[[], str]) -> None:
        if ended.wait(DELAY_SECONDS):
            return
        streams = {id(stream): stream for stream in (self._stream, sys.stdout, sys.stderr) if stream is not None}
        plain = {key: stream.write for key, stream in streams.items()}
        write = plain[id(self._stream)]
        for key, stream in streams.items():
            # An attribute of the object itself: it stays the one that others hold, whatever they hold it for.
            with suppress(AttributeError):
                stream.write = self._sharing(write, plain[key])  # type: ignore[method-assign]
        try:
            number = 0
            while not ended.wait(STEP_SECONDS):
                text = words()
                if not text:
                    break
                self._draw(write, f"{self._frames[number % len(self._frames)]} {text}")
                number += 1
        finally:
            for stream in streams.values():
                with suppress(AttributeError):
                    del stream.write
            with self._lock:
                self._erase(write)

    def _draw(self, write: Callable[[str], Any], text: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        with self._lock, suppress(OSError, ValueError):
            if self._is_free:
                self._is_drawn = True
                write(f"{ERASE}{self._style[0]}{text[:width]}{self._style[1]}\r")
                self._stream.flush()

    def _erase(self, write: Callable[[str], Any]) -> None:
        if self._is_drawn:
            self._is_drawn = False
            with suppress(OSError, ValueError):
                write(ERASE)
                self._stream.flush()

    def _sharing(self, erase_by: Callable[[str], Any], plain: Callable[[str], Any]) -> Callable[[str], Any]:
        """Return a stream's ``write`` that takes the spinner away first."""

        def write(text: str) -> Any:
            with self._lock:
                self._erase(erase_by)
                if text:
                    self._is_free = text.endswith("\n")
                return plain(text)

        return write
