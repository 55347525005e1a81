"""The spinner: on the last line of the terminal, while a load takes long and nothing else is written there."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TextIO

__all__ = ["Spinner"]

# Seconds. A load that is over sooner gets no spinner.
DELAY_SECONDS = 0.5
# Seconds between two frames.
STEP_SECONDS = 0.1
FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
PLAIN_FRAMES = "|/-\\"
ERASE = "\r\x1b[K"


class Spinner:
    """Draws a line that says what is being loaded.

    A write to stdout or stderr through Python erases the line first, also one by a logging handler that has held the
    stream for long. Output that bypasses Python starts at the beginning of the line, where the cursor is left.

    Threads: ``_lock`` is held while writing.
    """

    def __init__(self, stream: TextIO, is_dim: bool) -> None:
        self._stream = stream
        self._style = ("\x1b[2m", "\x1b[0m") if is_dim else ("", "")
        encoding = (stream.encoding or "").lower().replace("-", "")
        self._frames = FRAMES if encoding.startswith("utf") else PLAIN_FRAMES
        self._lock = threading.RLock()
        self._is_drawn = False
        # Whether the last line is empty: the application may have written half a line.
        self._is_free = True
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, words: Callable[[], str]) -> None:
        """Begin to spin after a delay, unless `stop` comes first. *words* returns the current text; empty: stop."""
        self.stop()
        self._ended = ended = threading.Event()
        self._is_free = True
        self._thread = threading.Thread(target=self._spin, args=(ended, words), name="ponyreload spinner", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop spinning, and erase the line."""
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
            # An attribute of the stream itself: others may hold that object.
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
        """Return a stream's ``write`` that erases the spinner first."""

        def write(text: str) -> Any:
            with self._lock:
                self._erase(erase_by)
                if text:
                    self._is_free = text.endswith("\n")
                return plain(text)

        return write
