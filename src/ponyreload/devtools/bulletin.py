"""The bulletin: the news of loads for open pages."""

from __future__ import annotations

import functools
import json
import os
import threading
import time
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from ponyreload.loading.journal import Failure, LoadRecord
from ponyreload.loading.load import Load
from ponyreload.reporting import shown

__all__ = ["Bulletin", "now"]


def now() -> int:
    """Return the time in microseconds, on a clock that this machine's processes share, and that never goes back."""
    return time.monotonic_ns() // 1000


class Bulletin:
    """What a page needs to know: whether it is older than what is served, and why the newest contents are not.

    News are compared with a page by time: a page that was requested before a publish is older than what is served now.
    Numbers of generations would not do, as each of several processes counts its own.

    Any thread may read; what is read is replaced as a whole.
    """

    def __init__(self) -> None:
        # When something was published that takes a page to be loaded again; the start of the process counts.
        self._at = now()
        # The style sheets that have been published since, and when:  "shop.css" -> 1234567
        self._styles: dict[str, int] = {}
        self._error: Failure | None = None
        self._text = self._written()
        self._lock = threading.Lock()  # guards the list below
        self._readers: list[Callable[[], object]] = []

    @property
    def text(self) -> str:
        """The news as JSON."""
        return self._text

    def tell(self, reader: Callable[[], object]) -> None:
        """Call *reader* whenever there are news; it is to be quick."""
        with self._lock:
            self._readers.append(reader)

    def forget_all(self) -> None:
        """Tell nobody any more; for a forked process, which has none of the threads that listen."""
        self._lock = threading.Lock()
        self._readers = []

    # -- as a listener of the journal ------------------------------------------------------------------------

    def load_began(self, load: Load) -> None:
        """Nothing: pages hear of a load when it has ended."""

    def load_ended(self, record: LoadRecord) -> None:
        """Tell of a generation that serves from now on, or of an error."""
        # After a failed load, one of style sheets alone may bring in what had changed before.
        is_plain = self._error is None and record.changed and all(map(_is_style, record.changed))
        if record.error is not None:
            pass
        elif is_plain:
            self._styles = self._styles | dict.fromkeys(map(os.path.basename, record.changed), now())
        else:
            self._at, self._styles = now(), {}
        self._publish(record.error)

    def error_is_over(self, number: int) -> None:  # noqa: ARG002 - the protocol's
        """Tell that the newest contents are served again."""
        self._publish(None)

    def _publish(self, error: Failure | None) -> None:
        self._error = error
        self._text = self._written()
        with self._lock:
            readers = list(self._readers)
        for reader in readers:
            reader()

    def _written(self) -> str:
        return json.dumps({"at": self._at, "styles": self._styles, "error": _error_told(self._error)})


def _error_told(error: Failure | None) -> dict[str, Any] | None:
    """Return what the overlay shows of an error."""
    if error is None:
        return None
    served = f"Generation {error.serving} still serves." if error.serving else "Nothing is served yet."
    return {
        "text": error.summary,
        "place": "" if error.file is None else f"{shown(error.file)}:{error.line}",
        "line": error.line,
        "source": error.source,
        "details": error.shareable,
        "outcome": f"{served} Save the file to try again.",
        "style": _style(),
    }


@functools.cache
def _style() -> str:
    return files("ponyreload.devtools").joinpath("overlay.css").read_text(encoding="utf-8")


def _is_style(file: str) -> bool:
    return file.lower().endswith(".css")
