"""The terminal: one coloured line for each reload, and the rest of the log. A pipe gets the plain log instead."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import Any, Literal

from rich.console import Console
from rich.text import Text

from ponyreload.cli.addresses import Address
from ponyreload.cli.spinner import Spinner
from ponyreload.cli.tracebacks import printable, traceback_of
from ponyreload.generations.generation import Generation
from ponyreload.loading.journal import LoadRecord
from ponyreload.loading.load import Load
from ponyreload.reporting import listed, logger

__all__ = ["Terminal", "terminal_on"]

# level -> mark, mark where only ASCII can be written, style
MARKS = {
    "served": ("✓", "+", "bold green"),
    "failed": ("✗", "x", "bold red"),
    logging.ERROR: ("✗", "x", "red"),
    logging.WARNING: ("!", "!", "yellow"),
    logging.INFO: ("·", "-", ""),
}


def terminal_on(stream: Any) -> Terminal | None:
    """Return the terminal that *stream* writes to; None if it is a file or a pipe, which gets plain lines."""
    if stream is None or not stream.isatty():
        return None
    # With NO_COLOR, rich omits the colours only; some users want no style at all.
    colours: Literal["auto"] | None = None if os.environ.get("NO_COLOR") else "auto"
    return Terminal(Console(file=stream, highlight=False, soft_wrap=True, color_system=colours))


class Terminal(logging.Handler):
    """Writes ponyreload's messages to a terminal.

    It listens to the journal for loads, and takes the rest from the log. Log records of loads are skipped.
    """

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._process = os.getpid()
        self._is_utf = (console.encoding or "").lower().startswith("utf")
        self._has_colour = console.color_system is not None and not console.no_color
        self._spinner = Spinner(console.file, self._has_colour) if console.is_interactive else None  # type: ignore[arg-type]

    def take_log(self) -> None:
        """Write ponyreload's log here, and only here."""
        logger.addHandler(self)
        logger.propagate = False

    def announce(self, what: str, server: str, address: Address) -> None:
        """Show what is served where."""
        text = Text("\n  ponyreload", "bold magenta").append(f"  {printable(what)} on {server}\n", "default not bold")
        text.append(f"  {'➜' if self._is_utf else '>'} ", "green").append(address.url or str(address), "bold cyan")
        text.append("  Press Ctrl-C to stop\n", "dim")
        self._console.print(text)

    # -- the log ---------------------------------------------------------------------------------------------

    def emit(self, record: logging.LogRecord) -> None:
        # In a forked process, nobody listens to the journal.
        if not getattr(record, "of_load", False) or os.getpid() != self._process:
            reached = (each for each in MARKS if isinstance(each, int) and each <= record.levelno)
            level = max(reached, default=logging.INFO)
            self._line(level, Text(printable(record.getMessage()), MARKS[level][2]))

    # -- the journal -----------------------------------------------------------------------------------------

    def first_load_began(self, generation: Generation, is_over: Callable[[], bool]) -> None:
        """Note that the calling thread begins to load generation 1."""
        self._spin(generation, is_over)

    def load_began(self, load: Load) -> None:
        self._spin(load.generation, lambda: load.done)

    def load_ended(self, record: LoadRecord) -> None:
        self._stop_spinning()
        took = f"{record.seconds * 1000:.0f} ms"
        if record.error is None:
            text = Text(f"generation {record.number} serves")
            if record.changed:
                text.append(f"  {printable(listed(record.changed))}", "cyan")
            self._line("served", text.append(f"  {took}", "dim"))
        else:
            self._console.print(traceback_of(record.error.details), end="")
            text = Text(printable(str(record.error)), "bold red").append(f"  {took}", "not bold dim")
            self._line("failed", text)
            self._console.print(Text(f"           {record.error.outcome}", "yellow"))

    def error_is_over(self, number: int) -> None:
        self._stop_spinning()
        if number:
            self._line("served", Text(f"change undone; generation {number} is current again"))

    # -- writing ---------------------------------------------------------------------------------------------

    def _line(self, kind: object, text: Text) -> None:
        mark, plain, style = MARKS[kind]
        line = Text(time.strftime("%H:%M:%S "), "dim").append(f"{mark if self._is_utf else plain} ", style or "none")
        self._console.print(Text("").append_text(line).append_text(text))

    def _spin(self, generation: Generation, is_over: Callable[[], bool]) -> None:
        if self._spinner is None:
            return
        started = time.monotonic()

        def words() -> str:
            if generation.abandoned or is_over():
                return ""
            # The innermost of the running modules is the last that began.
            names = list(generation.running)
            what = printable(names[-1]) if names else "the application"
            return f"loading generation {generation.number}: {what} ({time.monotonic() - started:.0f} s)"

        self._spinner.start(words)

    def _stop_spinning(self) -> None:
        if self._spinner is not None:
            self._spinner.stop()
